package wholefile

import "errors"

// Seal makes a file that is there already as durable as Commit would have: one
// whose writer may have died just before it was.
func (f *Folder) Seal(name string) error {
	root, err := f.Root()
	if err != nil {
		return err
	}
	defer root.Close()
	there, err := root.Open(name)
	if err != nil {
		return err
	}
	if err := errors.Join(f.sync(there), there.Close()); err != nil {
		return err
	}
	return (&File{root: root, name: name, sync: f.sync}).syncFolders()
}

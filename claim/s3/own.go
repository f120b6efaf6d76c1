package s3

import "sync"

// maxOwn bounds what is remembered of own leases: some 40 MB.
const maxOwn = 1 << 16

// version is a record and the ETag of the object it was read from or written
// to: empty where there is no object.
type version struct {
	record record
	etag   string
}

// ownLeases remembers how the objects of this process's leases stand, so that
// they need not be read before they are replaced. What it says may be out of
// date, which the ETag reveals, and may be gone, which costs a read. It keeps
// no progress: whoever replaces a lease brings it along.
type ownLeases struct {
	mu    sync.Mutex
	byKey map[string]version
}

// get returns the version of a key whose lease has the token.
func (o *ownLeases) get(key, token string) (version, bool) {
	o.mu.Lock()
	defer o.mu.Unlock()
	v, ok := o.byKey[key]
	return v, ok && v.record.Token == token
}

// put remembers a lease.
func (o *ownLeases) put(key string, v version) {
	o.mu.Lock()
	defer o.mu.Unlock()
	if o.byKey == nil || len(o.byKey) >= maxOwn { // leases that were abandoned are not told from others
		o.byKey = make(map[string]version)
	}
	v.record.Progress = ""
	o.byKey[key] = v
}

// forget forgets a key whose lease ended.
func (o *ownLeases) forget(key string) {
	o.mu.Lock()
	defer o.mu.Unlock()
	delete(o.byKey, key)
}

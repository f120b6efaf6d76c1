// Package gs is the [source.Source] of a prefix of a Google Cloud Storage
// bucket.
//
// # Use
//
// [New] makes a source, over a client of cloud.google.com/go/storage as
// storage.NewClient returns it. Credentials, endpoints and proxies are those of
// the client. One that reads through the JSON API (storage.WithJSONReads) does not
// do: it cannot be told to read what is stored. What Cloud Storage tells by events
// is read by package gsevent, without this one; [Source.ObjectOf] says which
// object an event is about.
//
// # Objects
//
// Keys are relative to the prefix, as if it were a folder: the same tree has the
// same keys through source/dir. A name that ends with a slash marks a folder and
// is no object. A name with an empty element or one of dots ("a//b", "a/../b")
// can be no key and is reported at the end of the listing; as the empty pattern
// in Config.Ignore matches the empty element, that passes it over in silence.
//
// Version is the generation. Every request for an object is on condition of it,
// so that what is read, removed or moved is what was listed. ModTime is when that
// generation was created: a change of an object's metadata changes neither.
//
// Objects are read as they are stored. One with the Content-Encoding gzip is not
// decompressed on the way, by the service or by the client, and so has the size
// that was listed; source/decompress reads it.
//
// # Requests and retries
//
// The client's own retries stay on, at most five tries, but for deletions, which
// are repeated here. A body that is cut is resumed where it was, at the same
// generation; one that ends before what was announced is an error. The client
// compares whole objects with their CRC32C.
//
// A bucket that does not exist is told by a listing only: for an object the
// service answers 404 in either case.
//
// # Watching
//
// Cloud Storage tells what appears by events only: a source is listed again and
// again.
//
// # Cost
//
// Per million objects: 1,000 class A operations (lists) and 1 million of class B
// (reads). Moved they cost 1 million of class A and up to 2 million of class B,
// deletions are free.
//
// # Permissions
//
// A worker needs storage.objects.list and storage.objects.get (the role
// roles/storage.objectViewer has both). An archiver that deletes needs
// storage.objects.delete, one that moves to gs:// also storage.objects.create and
// storage.objects.get on the target. With Config.UserProject it needs
// serviceusage.services.use on that project. Without storage.objects.list the
// service answers 403, not 404, for what does not exist.
package gs

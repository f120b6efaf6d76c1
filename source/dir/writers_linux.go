package dir

import "golang.org/x/sys/unix"

// inspect says what a file is now, and who writes to it. It opens the file: over
// a network that makes the client ask the server.
func (f *files) inspect(key string) (info, writers, error) {
	h, err := f.open(key)
	if err != nil {
		return info{}, unknownWriters, err
	}
	defer h.close()
	found, err := h.stat()
	if err != nil || !found.regular || !local(h.fd) {
		return found, unknownWriters, err
	}
	return found, writersOf(h.fd), nil
}

// writersOf asks for a read lease, which the kernel refuses with EAGAIN as long
// as somebody has the file open for writing, see fcntl(2). It needs the owner of
// the file or CAP_LEASE. The lease is given back at once: who opens the file for
// writing just then waits for that.
func writersOf(fd int) writers {
	switch _, err := unix.FcntlInt(uintptr(fd), unix.F_SETLEASE, unix.F_RDLCK); err {
	case nil:
		if _, err := unix.FcntlInt(uintptr(fd), unix.F_SETLEASE, unix.F_UNLCK); err != nil {
			return unknownWriters // closing the file gives it back, too
		}
		return noWriter
	case unix.EAGAIN:
		return someWriter
	default:
		return unknownWriters
	}
}

// local reports whether an open file or folder lies on a file system whose only
// users are those of this kernel, so that it knows of everything that happens
// there. The numbers are those of linux/magic.h and of the file systems
// themselves.
func local(fd int) bool {
	var st unix.Statfs_t
	if err := unix.Fstatfs(fd, &st); err != nil {
		return false
	}
	switch uint32(st.Type) {
	case unix.EXT4_SUPER_MAGIC, // and ext2, ext3
		unix.XFS_SUPER_MAGIC,
		unix.BTRFS_SUPER_MAGIC,
		unix.TMPFS_MAGIC,
		unix.RAMFS_MAGIC,
		unix.F2FS_SUPER_MAGIC,
		unix.MSDOS_SUPER_MAGIC, // and vfat
		unix.EXFAT_SUPER_MAGIC,
		unix.REISERFS_SUPER_MAGIC,
		0x2fc12fc1, // ZFS
		0xca451a4e, // bcachefs
		0x3153464a: // JFS
		return true
	}
	return false
}

package main

import (
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"syscall"
	"time"
)

const (
	tempPrefix = "dcs-control-plane-"
	lockName   = "lock"
)

// errInUse reports that another instance holds the directory.
var errInUse = errors.New("another control plane is using it")

// workdir is the directory of one instance. The process holds a lock on a file in it; the kernel releases the lock
// however the process ends, so the holder of the lock knows that no other instance uses the directory.
type workdir struct {
	path      string
	temporary bool
	lock      *os.File
}

// openWorkdir uses dir, or a new temporary directory if dir is empty.
func openWorkdir(dir string) (*workdir, error) {
	if dir != "" {
		path, err := filepath.Abs(dir)
		if err != nil {
			return nil, err
		}
		if err := os.MkdirAll(path, 0o700); err != nil {
			return nil, err
		}
		lock, err := lockDir(path)
		if err != nil {
			return nil, fmt.Errorf("directory %s: %w", path, err)
		}
		return &workdir{path: path, lock: lock}, nil
	}

	sweepTempDirs()
	// A sweep by another instance can catch a directory that is not locked yet, hence more than one attempt.
	for range 10 {
		path, err := os.MkdirTemp("", tempPrefix)
		if err != nil {
			return nil, err
		}
		if lock, err := lockDir(path); err == nil {
			return &workdir{path: path, temporary: true, lock: lock}, nil
		} else if !errors.Is(err, errInUse) && !errors.Is(err, os.ErrNotExist) {
			return nil, err
		}
	}
	return nil, errors.New("no temporary directory could be locked")
}

// lockDir takes the lock of the directory at path. It fails with os.ErrNotExist if the directory was removed meanwhile.
func lockDir(path string) (*os.File, error) {
	name := filepath.Join(path, lockName)
	file, err := os.OpenFile(name, os.O_CREATE|os.O_RDWR, 0o600)
	if err != nil {
		return nil, err
	}
	if err := syscall.Flock(int(file.Fd()), syscall.LOCK_EX|syscall.LOCK_NB); err != nil {
		file.Close()
		if errors.Is(err, syscall.EWOULDBLOCK) {
			return nil, errInUse
		}
		return nil, fmt.Errorf("lock %s: %w", name, err)
	}
	// Between the open and the lock, another instance may have locked and removed the directory.
	ours, err := file.Stat()
	if err == nil {
		var there os.FileInfo
		if there, err = os.Stat(name); err == nil && !os.SameFile(ours, there) {
			err = os.ErrNotExist
		}
	}
	if err != nil {
		file.Close()
		return nil, err
	}
	return file, nil
}

// sweepTempDirs removes the temporary directories of killed instances. It skips directories of other users, and recent
// ones without a lock file, which another instance may be creating. An interrupted start can leave an old directory
// without a lock file.
func sweepTempDirs() {
	paths, _ := filepath.Glob(filepath.Join(os.TempDir(), tempPrefix+"*"))
	for _, path := range paths {
		if _, err := os.Stat(filepath.Join(path, lockName)); err != nil {
			if dir, err := os.Stat(path); err == nil && time.Since(dir.ModTime()) > time.Hour {
				os.RemoveAll(path)
			}
			continue
		}
		if lock, err := lockDir(path); err == nil {
			os.RemoveAll(path)
			lock.Close()
		}
	}
}

// file returns the path of a file in the directory.
func (d *workdir) file(name string) string {
	return filepath.Join(d.path, name)
}

// remove removes a temporary directory. A running writer may create a file again, hence the second attempt.
func (d *workdir) remove() {
	if d.temporary && os.RemoveAll(d.path) != nil {
		os.RemoveAll(d.path)
	}
}

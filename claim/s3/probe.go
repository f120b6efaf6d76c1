package s3

import (
	"context"
	"crypto/rand"
	"errors"
	"fmt"

	"github.com/aws/aws-sdk-go-v2/aws"
	"github.com/aws/aws-sdk-go-v2/service/s3"

	"github.com/unspool-go/unspool/processor/fault"
)

// ErrIgnoresConditions is wrapped by the error of a store that carries out
// requests though their condition does not hold.
var ErrIgnoresConditions = errors.New("the store ignores conditions")

// otherETag is that of no probe: the MD5 of no body.
const otherETag = `"d41d8cd98f00b204e9800998ecf8427e"`

// ready proves, once, that the store obeys the conditions of a write, and so
// also learns its time. A proof that was interrupted is tried again by the next
// call.
func (s *Store) ready(ctx context.Context) error {
	s.probing.Lock()
	defer s.probing.Unlock()
	if s.obeysWrites {
		return nil
	}
	err := s.withProbe(ctx, func(name, etag string) error {
		if _, ok, err := s.write(ctx, "probe", name, []byte("2"), ""); err != nil || ok {
			return ignored(err, "PUT with If-None-Match: *")
		}
		if _, ok, err := s.write(ctx, "probe", name, []byte("3"), otherETag); err != nil || ok {
			return ignored(err, "PUT with If-Match")
		}
		if _, _, err := s.write(ctx, "probe", name, []byte("4"), etag); err != nil {
			return err
		}
		// It is read: where the SDK repeats a PUT whose answer was lost, it is
		// refused by what it has done itself.
		next, err := s.etag(ctx, name)
		if err == nil && next == etag {
			err = fault.Fatal(errors.New("s3: probe: a PUT with If-Match and the object's ETag was refused, or left the ETag as it was: the store cannot compare and swap"))
		}
		return err
	})
	if err != nil {
		return err
	}
	if _, err := s.now(); err != nil {
		return err
	}
	s.obeysWrites = true
	return nil
}

// readyToDelete is ready for conditional deletion, which fewer stores know.
func (s *Store) readyToDelete(ctx context.Context) error {
	s.probing.Lock()
	defer s.probing.Unlock()
	if s.obeysDeletion {
		return nil
	}
	err := s.withProbe(ctx, func(name, etag string) error {
		if ok, err := s.remove(ctx, "probe", name, otherETag); err != nil || ok {
			return ignored(err, "DELETE with If-Match")
		}
		return nil
	})
	s.obeysDeletion = err == nil
	return err
}

// withProbe calls try with an object that nobody else knows, and deletes it.
func (s *Store) withProbe(ctx context.Context, try func(name, etag string) error) error {
	name := s.prefix + "probe-" + rand.Text()
	_, _, err := s.write(ctx, "probe", name, []byte("1"), "")
	if err != nil {
		return err
	}
	etag, err := s.etag(ctx, name) // for the same reason
	if err != nil {
		return err
	}
	err = try(name, etag)
	if _, gone := s.remove(ctx, "probe", name, ""); gone != nil {
		err = errors.Join(err, gone)
	}
	return err
}

// etag reads the ETag of a probe.
func (s *Store) etag(ctx context.Context, name string) (string, error) {
	out, err := s.api.GetObject(ctx, &s3.GetObjectInput{Bucket: &s.bucket, Key: &name})
	if err != nil {
		return "", callError(ctx, "probe: read "+name, err)
	}
	_ = out.Body.Close() // it is the ETag that matters
	if aws.ToString(out.ETag) == "" {
		return "", fault.Fatal(errors.New("s3: probe: a GET is answered without an ETag"))
	}
	return *out.ETag, nil
}

// ignored is the error of a request that should have been refused.
func ignored(err error, request string) error {
	if err != nil {
		return err
	}
	return fault.Fatal(fmt.Errorf("s3: probe: %s was carried out against its condition: %w: claims in it would be granted to everybody", request, ErrIgnoresConditions))
}

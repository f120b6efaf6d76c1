package main

import (
	"context"
	"errors"
	"fmt"
	"io/fs"
	"net/url"
	"os"
	"strconv"
	"strings"

	goredis "github.com/redis/go-redis/v9"

	"github.com/unspool-go/unspool/claim"
	"github.com/unspool-go/unspool/claim/disk"
	"github.com/unspool-go/unspool/claim/dynamodb"
	"github.com/unspool-go/unspool/claim/memory"
	"github.com/unspool-go/unspool/claim/redis"
	"github.com/unspool-go/unspool/claim/s3"
	"github.com/unspool-go/unspool/processor"
)

// claimScheme is one kind of claim store that --claims can name.
type claimScheme struct {
	name  string // before the colon
	usage string
	// check says what is wrong with the words, and returns the folder that the
	// store keeps, if any.
	check func(location string) (folder string, err error)
	// open opens the store. What was opened is closed by the function that is
	// returned.
	open func(ctx context.Context, location string, to purpose) (processor.Claims, func() error, error)
	// look opens it for those who only look. Where it is nil open does.
	look func(location string) (claim.Inspector, func() error, error)
}

// purpose is what a claim store is opened for.
type purpose int

const (
	toDrain  purpose = iota // it may be made
	toChange                // it must be there already
)

// claimSchemes are all kinds of claim stores.
var claimSchemes = []claimScheme{
	{"disk", "disk:PATH", checkDisk, openDisk, lookDisk},
	{"memory", "memory:", checkMemory, openMemory, nil},
	{"redis", "redis://HOST:PORT/DB?prefix=NAME", checkRedis, openRedis, nil},
	{"rediss", "rediss://…", checkRedis, openRedis, nil},
	{"dynamodb", "dynamodb:TABLE", checkDynamoDB, openDynamoDB, nil},
	{"s3", "s3://BUCKET/PREFIX", checkS3, openS3, nil},
}

// schemeOfClaims returns the scheme of --claims.
func schemeOfClaims(location string) (claimScheme, error) {
	name, _, _ := strings.Cut(location, ":")
	var all []string
	for _, s := range claimSchemes {
		if s.name == name && strings.Contains(location, ":") {
			return s, nil
		}
		all = append(all, s.usage)
	}
	return claimScheme{}, fmt.Errorf("%q is none of %s", location, strings.Join(all, ", "))
}

// checkClaims says what is wrong with a location, and returns the folder that the
// store keeps, if any.
func checkClaims(location string) (folder string, err error) {
	scheme, err := schemeOfClaims(location)
	if err != nil {
		return "", err
	}
	return scheme.check(location)
}

// openClaims opens the claim store at a location that was checked.
func openClaims(ctx context.Context, location string, to purpose) (processor.Claims, func() error, error) {
	scheme, err := schemeOfClaims(location)
	if err != nil {
		return nil, nil, err
	}
	store, closeStore, err := scheme.open(ctx, location, to)
	if err != nil {
		return nil, nil, fmt.Errorf("--claims: %w", err)
	}
	return store, closeStore, nil
}

// lookAtClaims opens the claim store at a location that was checked, to change
// nothing.
func lookAtClaims(ctx context.Context, location string) (claim.Inspector, func() error, error) {
	scheme, err := schemeOfClaims(location)
	if err != nil {
		return nil, nil, err
	}
	if scheme.look == nil {
		return openClaims(ctx, location, toChange)
	}
	store, closeStore, err := scheme.look(location)
	if err != nil {
		return nil, nil, fmt.Errorf("--claims: %w", err)
	}
	return store, closeStore, nil
}

func checkDisk(location string) (string, error) {
	path := strings.TrimPrefix(location, "disk:")
	if path == "" {
		return "", errors.New("disk: names no folder")
	}
	path, local, err := localPath(path)
	if err == nil && !local {
		err = fmt.Errorf("%s names no local folder", location)
	}
	return path, err
}

func openDisk(_ context.Context, location string, to purpose) (processor.Claims, func() error, error) {
	path, err := checkDisk(location)
	if err != nil {
		return nil, nil, err
	}
	if to == toChange {
		if _, err := os.Stat(path); err != nil {
			return nil, nil, noStore(err, path)
		}
	}
	store, err := disk.Open(path, disk.Config{})
	if errors.Is(err, disk.ErrLocked) && to == toChange {
		err = fmt.Errorf("%w: disk: is for one process at a time; try again when that has ended", err)
	}
	if err != nil {
		return nil, nil, err
	}
	return store, store.Close, nil
}

// lookDisk reads a store that another process may have open.
func lookDisk(location string) (claim.Inspector, func() error, error) {
	path, err := checkDisk(location)
	if err != nil {
		return nil, nil, err
	}
	store, err := disk.OpenReadOnly(path)
	if err != nil {
		return nil, nil, noStore(err, path)
	}
	return store, store.Close, nil
}

func noStore(err error, path string) error {
	if errors.Is(err, fs.ErrNotExist) {
		return fmt.Errorf("there is no claim store in %s: nothing was drained yet, or it is elsewhere", path)
	}
	return err
}

func checkMemory(location string) (string, error) {
	if location != "memory:" {
		return "", fmt.Errorf("%q: memory: takes nothing more", location)
	}
	return "", nil
}

func openMemory(_ context.Context, _ string, to purpose) (processor.Claims, func() error, error) {
	if to != toDrain {
		return nil, nil, errors.New("memory: is gone with the process that had it")
	}
	return memory.New(), func() error { return nil }, nil
}

// redisClaims takes a redis URL apart.
func redisClaims(location string) (*goredis.Options, redis.Config, error) {
	var cfg redis.Config
	u, err := url.Parse(location)
	if err != nil {
		return nil, cfg, errors.New("malformed redis URL") // the error may show a password
	}
	query := u.Query()
	cfg.Prefix = query.Get("prefix")
	for name, n := range map[string]*int{"shards": &cfg.Shards, "buckets": &cfg.Buckets} {
		if text := query.Get(name); text != "" {
			if *n, err = strconv.Atoi(text); err != nil {
				return nil, cfg, fmt.Errorf("%s=%q is no whole number", name, text)
			}
		}
		query.Del(name)
	}
	query.Del("prefix")
	u.RawQuery = query.Encode()
	opts, err := goredis.ParseURL(u.String())
	if err != nil {
		return nil, cfg, fmt.Errorf("malformed redis URL for %s: want redis://HOST:PORT/DB?prefix=NAME", u.Host)
	}
	opts.ContextTimeoutEnabled = true
	return opts, cfg, nil
}

func checkRedis(location string) (string, error) {
	opts, cfg, err := redisClaims(location)
	if err != nil {
		return "", err
	}
	client := goredis.NewClient(opts) // it connects when it is used
	defer client.Close()
	_, err = redis.New(client, cfg)
	return "", err
}

func openRedis(_ context.Context, location string, _ purpose) (processor.Claims, func() error, error) {
	opts, cfg, err := redisClaims(location)
	if err != nil {
		return nil, nil, err
	}
	client := goredis.NewClient(opts)
	store, err := redis.New(client, cfg)
	if err != nil {
		return nil, nil, errors.Join(err, client.Close())
	}
	return store, client.Close, nil
}

func checkDynamoDB(location string) (string, error) {
	if strings.TrimPrefix(location, "dynamodb:") == "" {
		return "", errors.New("dynamodb: names no table")
	}
	return "", nil
}

func openDynamoDB(ctx context.Context, location string, _ purpose) (processor.Claims, func() error, error) {
	cfg, err := awsSettings(ctx)
	if err != nil {
		return nil, nil, err
	}
	store, err := dynamodb.New(dynamodb.NewClient(cfg), dynamodb.Config{Table: strings.TrimPrefix(location, "dynamodb:")})
	return store, func() error { return nil }, err
}

func checkS3(location string) (string, error) {
	if _, prefix, ok := bucketOf(location); !ok || prefix == "" {
		return "", errors.New("s3: want s3://BUCKET/PREFIX")
	}
	return "", nil
}

func openS3(ctx context.Context, location string, _ purpose) (processor.Claims, func() error, error) {
	cfg, err := awsSettings(ctx)
	if err != nil {
		return nil, nil, err
	}
	bucket, prefix, _ := bucketOf(location)
	store, err := s3.New(s3.NewClient(cfg), s3.Config{Bucket: bucket, Prefix: strings.TrimSuffix(prefix, "/") + "/"})
	return store, func() error { return nil }, err
}

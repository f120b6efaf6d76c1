package sourcetest

import (
	"context"
	"errors"
	"io"
	"testing"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"

	"github.com/unspool-go/unspool/source"
)

func memoryFixture(m *Memory) Fixture {
	return Fixture{
		Source: m,
		Write:  func(key, content string) error { m.Put(key, []byte(content)); return nil },
		Remove: func(key string) error { m.Delete(key); return nil },
	}
}

func TestMemoryConformance(t *testing.T) {
	Run(t, func(_ testing.TB, files map[string]string) Fixture { return memoryFixture(NewMemory(files)) })
}

func readAll(t *testing.T, m *Memory, key string) (string, error) {
	r, _, err := m.Open(t.Context(), source.Object{Key: key, Size: -1}, 0, -1)
	if err != nil {
		return "", err
	}
	defer r.Close()
	data, err := io.ReadAll(r)
	return string(data), err
}

func TestMemoryFaults(t *testing.T) {
	errCut := errors.New("connection cut")

	t.Run("error at a byte, twice", func(t *testing.T) {
		m := NewMemory(map[string]string{"k": "0123456789"})
		m.Inject("k", Fault{At: 4, Err: errCut, Times: 2})
		for range 2 {
			data, err := readAll(t, m, "k")
			assert.ErrorIs(t, err, errCut)
			assert.Equal(t, "0123", data)
		}
		data, err := readAll(t, m, "k")
		assert.NoError(t, err)
		assert.Equal(t, "0123456789", data)
		assert.Equal(t, 3, m.Opened("k"))
	})
	t.Run("error at the opening", func(t *testing.T) {
		m := NewMemory(map[string]string{"k": "0123456789"})
		m.Inject("k", Fault{Err: errCut})
		_, err := readAll(t, m, "k")
		assert.ErrorIs(t, err, errCut)
		_, _, err = m.ReadObject(t.Context(), source.Object{Key: "k", Size: -1}, nil, 100)
		assert.ErrorIs(t, err, errCut)
	})
	t.Run("error before the end", func(t *testing.T) {
		m := NewMemory(map[string]string{"k": "0123456789"})
		m.Inject("k", Fault{At: 10, Err: errCut})
		data, err := readAll(t, m, "k")
		assert.ErrorIs(t, err, errCut)
		assert.Equal(t, "0123456789", data)
	})
	t.Run("change", func(t *testing.T) {
		m := NewMemory(map[string]string{"k": "0123456789"})
		m.Inject("k", Fault{At: 4, Do: func() { m.Put("k", []byte("other")) }, Times: 1})
		_, err := readAll(t, m, "k")
		assert.ErrorIs(t, err, source.ErrChanged)
		data, err := readAll(t, m, "k")
		assert.NoError(t, err)
		assert.Equal(t, "other", data)
	})
	t.Run("vanish", func(t *testing.T) {
		m := NewMemory(map[string]string{"k": "0123456789"})
		m.Inject("k", Fault{At: 4, Do: func() { m.Delete("k") }})
		_, _, err := m.ReadObject(t.Context(), source.Object{Key: "k", Size: -1}, nil, 100)
		assert.ErrorIs(t, err, source.ErrChanged)
	})
}

func TestMemoryZeroValue(t *testing.T) {
	var m Memory
	for range m.Objects(context.Background()) {
		t.Error("lists something")
	}
	m.Put("k", []byte("v"))
	data, err := readAll(t, &m, "k")
	require.NoError(t, err)
	assert.Equal(t, "v", data)
}

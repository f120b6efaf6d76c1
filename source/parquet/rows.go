package parquet

import (
	"context"
	"errors"
	"fmt"
	"io"

	"github.com/parquet-go/parquet-go/format"

	"github.com/unspool-go/unspool/processor/fault"
	"github.com/unspool-go/unspool/source"
)

// batchBytes is how much is decoded at once, but for the last row.
const batchBytes = 64 << 10

// rows decodes the rows of one object.
type rows struct {
	ctx  context.Context
	cfg  *Config
	key  string
	file access

	shared file
	root   *node
	leaves []*node
	groups []format.RowGroup
	opened bool

	group int       // the row group at hand
	cols  []*column // its columns, nil where they are not wanted
	begun bool
	row   int64 // the next one
	total int64 // bytes of JSON
	start int   // where in the output the row at hand begins
	done  error
}

var (
	errDisagree = errors.New("columns do not have as many rows")
	errRowLong  = errors.New("row is too long")
)

// rowFault is what is wrong with one row alone.
type rowFault struct{ error }

// Close implements [decoder.Rows].
func (r *rows) Close() error {
	r.closeGroup()
	r.shared.close()
	return r.file.Close()
}

// Append implements [decoder.Rows].
func (r *rows) Append(dst []byte) ([]byte, error) {
	if !r.opened && r.done == nil {
		r.opened = true
		r.done = r.open()
	}
	for full := len(dst) + batchBytes; len(dst) < full && r.done == nil; {
		before := len(dst)
		dst = r.appendOne(dst)
		r.total += int64(len(dst) - before)
		if r.done == nil && r.cfg.MaxRatio >= 0 && r.total > r.most() {
			r.done = r.defect(fmt.Errorf("its rows are more than %d times as long", r.cfg.MaxRatio))
		}
	}
	return dst, r.done
}

// most is how long the JSON may get, and how many values there may be.
func (r *rows) most() int64 {
	const limit = 1 << 62
	if r.cfg.MaxRatio < 0 || r.cfg.MaxRatio > limit/max(r.file.size(), 1) {
		return limit
	}
	return max(freeBytes, r.cfg.MaxRatio*r.file.size())
}

// defect makes the error of an object that cannot be read any further.
func (r *rows) defect(reason error) error {
	err := fmt.Errorf("parquet: read %q: %w", r.key, reason)
	if r.outside(reason) {
		return err
	}
	return fault.Corrupt(err)
}

// outside reports whether an error is not about what is stored.
func (r *rows) outside(err error) bool {
	_, ok := errors.AsType[ioError](err)
	return ok || r.ctx.Err() != nil
}

// open reads the footer.
func (r *rows) open() error {
	r.shared = file{access: r.file, ctx: r.ctx, cfg: r.cfg, budget: r.most()}
	meta, err := r.shared.footer()
	if err != nil {
		return r.defect(err)
	}
	if r.root, r.leaves, err = parseSchema(meta.Schema, r.cfg); err != nil {
		return r.defect(err)
	}
	if err := r.root.choose(r.cfg.Columns); err != nil {
		return r.defect(err)
	}
	r.groups = meta.RowGroups
	wanted := 0
	for _, n := range r.root.children {
		wanted += n.last - n.first
	}
	if wanted == 0 && len(r.groups) > 0 {
		return r.defect(errSchema)
	}
	r.shared.window = int(min(mostWindow, max(leastWindow, r.cfg.MaxMemoryBytes/4/int64(max(wanted, 1)))))
	return nil
}

// appendOne appends one row, or a flaw, or goes to the next row group, or sets
// done.
func (r *rows) appendOne(dst []byte) []byte {
	if r.group == len(r.groups) {
		r.done = io.EOF
		return dst
	}
	g := &r.groups[r.group]
	if !r.begun {
		r.begun, r.row = true, 0
		if err := r.openGroup(g); err != nil {
			return r.spoiled(dst, err)
		}
	}
	if r.row >= g.NumRows {
		for _, c := range r.cols {
			if c != nil && !c.ended {
				return r.spoiled(dst, fmt.Errorf("column %s: %w", c.node.path, errDisagree))
			}
		}
		r.nextGroup()
		return dst
	}
	r.start = len(dst)
	out, err := r.object(dst, r.root)
	if err == nil && len(out)-r.start > r.cfg.MaxRowBytes {
		err = rowFault{errRowLong}
	}
	if wrong, ok := errors.AsType[rowFault](err); ok {
		if err = r.passRow(); err == nil {
			r.row++
			return source.AppendFlaw(dst[:r.start], fmt.Sprintf("parquet: row group %d, row %d: %v", r.group, r.row-1, wrong), place(r.group, r.row-1, 1))
		}
	}
	if err != nil {
		return r.spoiled(out[:r.start], err)
	}
	r.row++
	return append(out, '\n')
}

// place says, as the text of a flaw, which rows it stands for.
func place(group int, row, n int64) []byte {
	return fmt.Appendf(nil, `{"rowGroup":%d,"row":%d,"rows":%d}`, group, row, n)
}

// spoiled appends a flaw for the rest of the row group, and goes to the next. An
// error of reading ends it all.
func (r *rows) spoiled(dst []byte, err error) []byte {
	if r.outside(err) || errors.Is(err, errBomb) {
		r.done = r.defect(err)
		return dst
	}
	left := max(0, r.groups[r.group].NumRows-r.row)
	dst = source.AppendFlaw(dst, fmt.Sprintf("parquet: row group %d, from row %d on: %v", r.group, r.row, err), place(r.group, r.row, left))
	r.nextGroup()
	return dst
}

func (r *rows) nextGroup() {
	r.closeGroup()
	r.group++
	r.begun = false
}

func (r *rows) closeGroup() {
	for _, c := range r.cols {
		if c != nil {
			c.close()
		}
	}
	r.cols = nil
}

var (
	errGroup   = errors.New("row group does not have the columns of the schema")
	errForeign = errors.New("its data is in another object")
)

// openGroup opens the wanted columns of a row group.
func (r *rows) openGroup(g *format.RowGroup) error {
	if len(g.Columns) != len(r.leaves) || g.NumRows < 0 {
		return errGroup
	}
	r.cols = make([]*column, len(r.leaves))
	for _, n := range r.root.children {
		for i := n.first; i < n.last; i++ {
			chunk := &g.Columns[i]
			if chunk.FilePath != "" {
				return errForeign
			}
			var err error
			r.cols[i], err = newColumn(r.leaves[i], &r.shared, &chunk.MetaData)
			if err != nil {
				return fmt.Errorf("column %s: %w", r.leaves[i].path, err)
			}
		}
	}
	return nil
}

// passRow passes over what is left of the row at hand.
func (r *rows) passRow() error {
	for _, c := range r.cols {
		for c != nil && !c.ended && c.row == r.row {
			if err := r.advance(c); err != nil {
				return err
			}
		}
	}
	return nil
}

func (r *rows) advance(c *column) error {
	if err := c.advance(); err != nil {
		return fmt.Errorf("column %s: %w", c.node.path, err)
	}
	return nil
}

package dynamodbtest

// projection reads a ProjectionExpression: the paths of what is wanted, nil where
// the request has none.
func (p *placeholders) projection(in ref, s *schema) ([]path, *apiError) {
	x, err := p.parserOf(in, "ProjectionExpression")
	if x == nil || err != nil {
		return nil, err
	}
	var paths []path
	for {
		y, err := x.path()
		if err != nil {
			return nil, err
		}
		paths = append(paths, y)
		if !x.take(",") {
			break
		}
	}
	if err := x.end(); err != nil {
		return nil, err
	}
	if err := s.scalarKeys(paths); err != nil {
		return nil, err
	}
	return paths, checkPaths("ProjectionExpression", paths)
}

// show returns what the projection shows of an item.
func show(a attrs, paths []path) attrs {
	if paths == nil {
		return a
	}
	return project(a, paths)
}

// Package template reads templates of CloudFormation, for tests of them.
package template

import (
	"fmt"
	"maps"
	"os"
	"slices"
	"strings"

	"go.yaml.in/yaml/v3"
)

// Template is what tests look at of a template.
type Template struct {
	Parameters map[string]Parameter `yaml:"Parameters"`
	Resources  map[string]Resource  `yaml:"Resources"`
}

// Parameter is one of a template.
type Parameter struct {
	Default        any    `yaml:"Default"`
	AllowedPattern string `yaml:"AllowedPattern"`
}

// Resource is one of a template. In its properties !Ref, !Sub and the like stand in
// their long form: a mapping of one member, such as Ref or Fn::Sub.
type Resource struct {
	Type           string         `yaml:"Type"`
	DeletionPolicy string         `yaml:"DeletionPolicy"`
	DependsOn      Names          `yaml:"DependsOn"`
	Properties     map[string]any `yaml:"Properties"`
}

// Names are names of resources: one, or a list of them.
type Names []string

// UnmarshalYAML implements [yaml.Unmarshaler].
func (n *Names) UnmarshalYAML(value *yaml.Node) error {
	if value.Kind == yaml.ScalarNode {
		*n = Names{value.Value}
		return nil
	}
	return value.Decode((*[]string)(n))
}

// Read reads the template in a file.
func Read(file string) (Template, error) {
	text, err := os.ReadFile(file)
	if err != nil {
		return Template{}, err
	}
	var doc yaml.Node
	if err := yaml.Unmarshal(text, &doc); err != nil {
		return Template{}, fmt.Errorf("%s: %w", file, err)
	}
	expand(&doc)
	var t Template
	if err := doc.Decode(&t); err != nil {
		return Template{}, fmt.Errorf("%s: %w", file, err)
	}
	return t, nil
}

// expand writes the short forms of functions in the long form.
func expand(n *yaml.Node) {
	for _, child := range n.Content {
		expand(child)
	}
	short := strings.TrimPrefix(n.Tag, "!")
	if strings.HasPrefix(n.Tag, "!!") || short == n.Tag {
		return
	}
	name := "Fn::" + short
	if short == "Ref" || short == "Condition" {
		name = short
	}
	value := *n
	value.Tag = ""
	*n = yaml.Node{
		Kind: yaml.MappingNode, Tag: "!!map", Line: n.Line, Column: n.Column,
		Content: []*yaml.Node{{Kind: yaml.ScalarNode, Tag: "!!str", Value: name}, &value},
	}
}

// All returns the names of the resources of a type, sorted.
func (t Template) All(resourceType string) []string {
	var names []string
	for name, r := range t.Resources {
		if r.Type == resourceType {
			names = append(names, name)
		}
	}
	slices.Sort(names)
	return names
}

// At returns what stands at a path of members of a resource's properties, nil if
// nothing does.
func (t Template) At(resource string, path ...string) any {
	var at any = t.Resources[resource].Properties
	for _, name := range path {
		members, _ := at.(map[string]any)
		at = members[name]
	}
	return at
}

// Variables returns the names of the environment variables of a function, sorted.
func (t Template) Variables(function string) []string {
	members, _ := t.At(function, "Environment", "Variables").(map[string]any)
	return slices.Sorted(maps.Keys(members))
}

// Target returns what a value refers to: the resource or parameter of a !Ref or a
// !GetAtt, and "" for anything else.
func Target(value any) string {
	members, _ := value.(map[string]any)
	if name, ok := members["Ref"].(string); ok {
		return name
	}
	attribute, _ := members["Fn::GetAtt"].(string)
	name, _, _ := strings.Cut(attribute, ".")
	return name
}

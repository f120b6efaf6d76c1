package aws

// AnswerOf is an answer that names ids.
func AnswerOf(ids ...string) Answer { return Answer{again: ids} }

package processor

// MaxAgain is how many objects a Watch remembers to come back to.
const MaxAgain = maxAgain

// Package standin is what the stand-ins for services of AWS have in common: an
// HTTP server on a loopback port that can be unreachable and that counts who calls
// it ([Front]), a [Clock] that tests move, the form of signatures and answers
// ([CheckSignature], [Answer], [Cut]), and the holder of a fault injector
// ([Injector]).
//
// What a service takes, refuses and answers is the stand-in's own: nothing here
// knows an operation or an error of any of them.
package standin

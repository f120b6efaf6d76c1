// Package completion decides when a set of objects is complete, and starts the next
// step exactly then.
//
// Producers push objects, nobody says which is the last one, and what follows needs
// all of them. A [Monitor] counts what arrives, each arrival once however often it is
// told of. An [Observer] looks at the count time and again, decides that the set is
// complete, and calls back. Both share a [Store]: package memory keeps it in one
// process, packages redis and dynamodb for any number of them. Package aws counts
// events of S3 and drives observers by delayed messages of SQS; where there is a
// process that stays, [Observer.Watch] drives one by a timer.
//
// # When a set is complete
//
//   - It is quiet: its count has not changed for so many looks in a row
//     ([Policy.Window]), and there is at least one object or record.
//   - What is expected is there ([Policy.Expect]): a count, or each key of a manifest.
//     That decides at once.
//   - Both guard each other. While less is there than expected, quiet decides nothing:
//     a slow producer looks finished. Where more is there than expected, the
//     expectation is wrong, and quiet decides.
//   - It is too old ([Policy.MaxAge]): it is given up as [Incomplete].
//
// # What is promised
//
// Say that each arrival is counted within a time L after it happened, that the next
// one happens within a time G while the producers are at it, and that [Policy.Quiet]
// is longer than L + G. Then no set completes by quiet while an arrival that had
// happened is uncounted, nor while another is to come: the first uncounted arrival
// would have one before it that changed the count within the time of quiet.
// [Propose] finds a time that is long enough for the share of sets that may
// go wrong.
//
// A set is closed by one atomic step of the store, on condition that the count is
// still the one that was decided by, unless it was decided by its age or a manifest,
// to which more does not matter. Any number of observers may look; one closes it, and
// one at a time calls [Config.Complete], until that succeeds. So the callback is
// called once, unless an observer dies, or the store is away or forgets, between the
// call and the note of its success, or the callback fails: then it is called again
// with the same [Completion.ID], by which the next step knows it. Calls never overlap
// while callbacks obey their context, and no machine is suspended in one. No clocks of
// different machines are compared, but for MaxAge.
//
// Nothing is ever subtracted: an object that is deleted, or written again, stays the
// one arrival that it was.
//
// What arrives once the callback has succeeded, and was not counted, is late: see
// [Late].
package completion

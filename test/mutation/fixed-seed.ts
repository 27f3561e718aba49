import fc from 'fast-check';

// Properties that draw the same cases in each run, and are not shrunk: a score is no luck, and a killed mutant needs no
// smallest example.
fc.configureGlobal({ seed: 1, endOnFailure: true });

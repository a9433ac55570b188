// Package vocab holds the nouns of a federated catalogue of trusted data
// spaces: offerings, spaces, log entry kinds, receipts, identifiers with their
// check digits, and the national code lists in Chinese and English.
//
// It does no input or output, keeps no state, and imports nothing but the
// standard library. Everything else in the program stands on it.
package vocab

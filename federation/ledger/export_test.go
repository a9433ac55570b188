package ledger

import "golang.org/x/mod/sumdb/note"

// SignCheckpoint signs any claim with a log's key.
func SignCheckpoint(c Checkpoint, seed []byte) ([]byte, error) {
	signer, _, _, err := noteKeys(c.Origin, seed)
	if err != nil {
		return nil, err
	}
	return note.Sign(&note.Note{Text: c.text()}, signer)
}

// SignText signs any text with a log's key.
func SignText(origin, text string, seed []byte) ([]byte, error) {
	signer, _, _, err := noteKeys(origin, seed)
	if err != nil {
		return nil, err
	}
	return note.Sign(&note.Note{Text: text}, signer)
}

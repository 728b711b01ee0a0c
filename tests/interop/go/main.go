// Verifies a log of ours with golang.org/x/mod/sumdb/{note,tlog}: code that nobody here wrote.
//
// Reads one JSON object from standard input and answers "ok SIZE" or an error with exit code 1. Every entry is read from
// its bundle and hashed; the tiles are authenticated against the signed root by x/mod's own tile reader; our proofs are
// checked by CheckRecord and CheckTree.
package main

import (
	"encoding/base64"
	"encoding/binary"
	"encoding/json"
	"fmt"
	"os"
	"path/filepath"
	"strconv"
	"strings"

	"golang.org/x/mod/sumdb/note"
	"golang.org/x/mod/sumdb/tlog"
)

type request struct {
	Folder      string   // the log's folder
	Vkey        string   // its verifier key
	Index       int64    // an entry
	Inclusion   []string // our proof that it is there, base64
	Old         string   // an older checkpoint, a signed note
	Consistency []string // our proof that it is the beginning, base64
}

const height = 8

func main() {
	size, err := run()
	if err != nil {
		fmt.Fprintln(os.Stderr, err)
		os.Exit(1)
	}
	fmt.Println("ok", size)
}

func run() (int64, error) {
	var in request
	if err := json.NewDecoder(os.Stdin).Decode(&in); err != nil {
		return 0, err
	}
	published, err := os.ReadFile(filepath.Join(in.Folder, "checkpoint"))
	if err != nil {
		return 0, err
	}
	tree, err := open(published, in.Vkey)
	if err != nil {
		return 0, fmt.Errorf("checkpoint: %w", err)
	}
	hashes := tlog.TileHashReader(tree, tiles{in.Folder})
	entries, err := readEntries(in.Folder, tree.N)
	if err != nil {
		return 0, err
	}
	var leaves []int64
	for index := range entries {
		leaves = append(leaves, tlog.StoredHashIndex(0, int64(index)))
	}
	stored, err := hashes.ReadHashes(leaves)
	if err != nil {
		return 0, fmt.Errorf("tiles: %w", err)
	}
	for index, entry := range entries {
		if stored[index] != tlog.RecordHash(entry) {
			return 0, fmt.Errorf("entry %d does not have the hash of its leaf", index)
		}
	}
	root, err := tlog.TreeHash(tree.N, hashes)
	if err != nil || root != tree.Hash {
		return 0, fmt.Errorf("root: %v", err)
	}
	inclusion, err := parseHashes(in.Inclusion)
	if err != nil {
		return 0, err
	}
	leaf := tlog.RecordHash(entries[in.Index])
	if err := tlog.CheckRecord(inclusion, tree.N, tree.Hash, in.Index, leaf); err != nil {
		return 0, fmt.Errorf("inclusion: %w", err)
	}
	old, err := open([]byte(in.Old), in.Vkey)
	if err != nil {
		return 0, fmt.Errorf("old checkpoint: %w", err)
	}
	consistency, err := parseHashes(in.Consistency)
	if err != nil {
		return 0, err
	}
	if err := tlog.CheckTree(consistency, tree.N, tree.Hash, old.N, old.Hash); err != nil {
		return 0, fmt.Errorf("consistency: %w", err)
	}
	return tree.N, nil
}

func open(text []byte, vkey string) (tlog.Tree, error) {
	verifier, err := note.NewVerifier(vkey)
	if err != nil {
		return tlog.Tree{}, err
	}
	opened, err := note.Open(text, note.VerifierList(verifier))
	if err != nil {
		return tlog.Tree{}, err
	}
	lines := strings.Split(opened.Text, "\n")
	if len(lines) != 4 || lines[0] != verifier.Name() || lines[3] != "" {
		return tlog.Tree{}, fmt.Errorf("not the three lines of a checkpoint")
	}
	size, err := strconv.ParseInt(lines[1], 10, 64)
	if err != nil {
		return tlog.Tree{}, err
	}
	root, err := tlog.ParseHash(lines[2])
	return tlog.Tree{N: size, Hash: root}, err
}

func parseHashes(texts []string) ([]tlog.Hash, error) {
	var hashes []tlog.Hash
	for _, text := range texts {
		octets, err := base64.StdEncoding.DecodeString(text)
		if err != nil || len(octets) != tlog.HashSize {
			return nil, fmt.Errorf("not a hash: %q", text)
		}
		var hash tlog.Hash
		copy(hash[:], octets)
		hashes = append(hashes, hash)
	}
	return hashes, nil
}

// path is that of x/mod without the height: tile/8/0/x001/234 is tile/0/x001/234 in tlog-tiles.
func path(tile tlog.Tile) string {
	return strings.Replace(tile.Path(), "tile/8/", "tile/", 1)
}

func readEntries(folder string, size int64) ([][]byte, error) {
	var entries [][]byte
	for int64(len(entries)) < size {
		width := size - int64(len(entries))
		if width > 1<<height {
			width = 1 << height
		}
		tile := tlog.Tile{H: height, L: 0, N: int64(len(entries)) >> height, W: int(width)}
		name := strings.Replace(path(tile), "tile/0/", "tile/entries/", 1)
		bundle, err := os.ReadFile(filepath.Join(folder, name))
		if err != nil {
			return nil, err
		}
		for n := int64(0); n < width; n++ {
			if len(bundle) < 2 || len(bundle) < 2+int(binary.BigEndian.Uint16(bundle)) {
				return nil, fmt.Errorf("%s is cut off", name)
			}
			end := 2 + int(binary.BigEndian.Uint16(bundle))
			entries = append(entries, bundle[2:end])
			bundle = bundle[end:]
		}
		if len(bundle) != 0 {
			return nil, fmt.Errorf("%s has more entries than its name says", name)
		}
	}
	return entries, nil
}

type tiles struct{ folder string }

func (t tiles) Height() int { return height }

func (t tiles) ReadTiles(wanted []tlog.Tile) ([][]byte, error) {
	var all [][]byte
	for _, tile := range wanted {
		octets, err := os.ReadFile(filepath.Join(t.folder, path(tile)))
		if err != nil {
			return nil, err
		}
		all = append(all, octets)
	}
	return all, nil
}

func (t tiles) SaveTiles([]tlog.Tile, [][]byte) {}

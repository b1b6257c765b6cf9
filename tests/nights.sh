#!/usr/bin/env bash
# Two nights of real data through every command, judged by others: rsync, tests/compare_trees.py, tests/reader.py.
#
#   tests/nights.sh DATA [WORK]     DATA as made by benches/fetch-data.sh; WORK a folder on a real disk (default target/nights)
#
# Uses target/release/backup and python3 with the packages zstandard and blake3. Prints what it does; ends with "nights: all equal".
set -euo pipefail
here=$(cd "$(dirname "$0")/.." && pwd)
data=$(realpath "${1:?usage: tests/nights.sh DATA [WORK]}")
work=${2:-$here/target/nights}
backup=$here/target/release/backup
fail() { echo "nights: FAILED: $*" >&2; exit 1; }

# timed WHAT COMMAND...: runs it, and says how long it took and its peak memory.
timed() {
    local what=$1; shift
    /usr/bin/time -o time.txt -f '%e s, %M kB' "$@" || fail "$what: exit $?"
    echo "  $what: $(cat time.txt)"
    [ "$(awk '{print $3}' time.txt)" -lt 200000 ] || fail "$what: over 200 MB"
}
same() { python3 "$here/tests/compare_trees.py" "$@" > differences.txt || fail "$* differ: $(head -5 differences.txt)"; }
mirrored() {
    local dir
    for dir in "${dirs[@]}"; do
        local told
        told=$(rsync -aHAXnic --delete --exclude=/.backup "src/$dir/" "mirror/$dir/")
        [ -z "$told" ] || fail "rsync would change the mirror: $told"
    done
    same src mirror
}
packs() { find mirror/.backup/store/packs mirror/.backup/store/index -type f | wc -l; }

for set in linux fits; do
    echo "$set"
    if [ "$set" = linux ]; then dirs=(.); else dirs=(detrend tests); fi
    rm -rf "${work:?}/$set"; mkdir -p "$work/$set"; cd "$work/$set"
    { printf 'TARGET t\nSOURCE src\nMIRROR mirror\n'; printf 'DIR %s\n' "${dirs[@]}"; } > backup.tab
    cp -a "$data/$set/night1" src

    timed 'night 1' "$backup" -backup --init t
    mirrored
    before=$(packs)
    timed 'unchanged' "$backup" -backup t
    [ "$(packs)" = "$before" ] || fail 'an unchanged night wrote a pack or an index'
    mirrored
    rsync -aHAX --delete "$data/$set/night2/" src/
    timed 'night 2' "$backup" -backup t
    mirrored

    timed 'restore of night 1 elsewhere' "$backup" -restore t --snapshot 1 --to out1
    same "$data/$set/night1" out1
    timed 'restore of night 2 elsewhere' "$backup" -restore t --to out2
    same "$data/$set/night2" out2
    file=$(cd "$data/$set/night1" && find . -type f -size +100k | sort | sed -n '3s,^\./,,p')
    timed 'one file' "$backup" -restore t "$file" --snapshot 1 --to one
    cmp "$data/$set/night1/$file" "one/$file"
    [ "$(find one -type f | wc -l)" = 1 ] || fail 'more than one file came back'
    dir=$(dirname "$file")
    timed 'one folder' "$backup" -restore t "$dir" --snapshot 1 --to folder
    same "$data/$set/night1/$dir" "folder/$dir"

    timed 'night 1 rolled back in place' "$backup" -restore t --snapshot 1 --delete
    same "$data/$set/night1" src
    timed 'check' "$backup" -check t
    timed 'check --data' "$backup" -check t --data

    store=mirror/.backup/store
    echo "  store: $(du --block-size=1 -s $store | cut -f1) bytes"
    python3 "$here/tests/reader.py" $store verify || fail 'reader.py: the store is not as format-spec.md says'
    python3 "$here/tests/reader.py" $store extract 1 read1; same "$data/$set/night1" read1
    python3 "$here/tests/reader.py" $store extract 3 read2; same "$data/$set/night2" read2
done

echo 'renamed and changed files'
rm -rf "${work:?}/big"; mkdir -p "$work/big/src/d"; cd "$work/big"
printf 'TARGET t\nSOURCE src\nMIRROR mirror\nDIR d\n' > backup.tab
head -c 60000000 /dev/urandom > src/d/sixty; head -c 1000000000 /dev/urandom > src/d/gigabyte
size_of_store() { du --block-size=1 --apparent-size -s mirror/.backup/store | cut -f1; }
"$backup" -backup --init t --quiet
size=$(size_of_store)
mv src/d/sixty src/d/renamed; timed 'renamed 60 MB' "$backup" -backup t --quiet; cost=$(( $(size_of_store) - size ))
echo "  a renamed file of 60 MB cost $cost bytes"; [ "$cost" -lt 100000 ] || fail 'too much'
size=$(size_of_store)
printf x | dd of=src/d/gigabyte bs=1 seek=500000000 conv=notrunc status=none
timed 'one byte of 1 GB' "$backup" -backup t --quiet; cost=$(( $(size_of_store) - size ))
echo "  one byte changed in a file of 1 GB cost $cost bytes"; [ "$cost" -lt 5000000 ] || fail 'too much'
same src mirror
echo 'nights: all equal'

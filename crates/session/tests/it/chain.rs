use protocol::*;
use session::{Broken, GENESIS, Stored, link, verify};

fn stored() -> (SessionId, Vec<Stored>) {
    let id = SessionId::from_random([1; 16]);
    let mut before = GENESIS;
    let entries = (1..=4).map(|seq| {
        let event = Event::Chat { from: ParticipantId(1), text: format!("line {seq}"), nonce: seq };
        let entry = link(&id, &before, seq, Timestamp(u64::from(seq)), &event);
        before = entry.hash;
        entry
    });
    let entries = entries.collect();
    (id, entries)
}

#[test]
fn every_change_of_a_timeline_is_found() {
    let (id, whole) = stored();
    assert_eq!(verify(&id, &whole).unwrap().len(), 4);
    type Change = fn(&mut Vec<Stored>);
    let table: [(Change, Broken); 5] = [
        (|s| s[1].body = s[1].body.replace("line", "lime"), Broken::Changed { seq: 2 }),
        (|s| s[2].at = Timestamp(99), Broken::Changed { seq: 3 }),
        (|s| s[0].hash[5] ^= 1, Broken::Changed { seq: 1 }),
        (|s| drop(s.remove(2)), Broken::Order { expected: 3, got: 4 }),
        (|s| s.swap(0, 1), Broken::Order { expected: 1, got: 2 }),
    ];
    for (change, broken) in table {
        let mut changed = whole.clone();
        change(&mut changed);
        assert_eq!(verify(&id, &changed).unwrap_err(), broken);
    }
    let other = SessionId::from_random([2; 16]);
    assert_eq!(verify(&other, &whole).unwrap_err(), Broken::Changed { seq: 1 }, "a timeline belongs to its session");
}

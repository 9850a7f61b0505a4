//! Positions, as they are stored.

use crate::model::Position;
use proptest::prelude::*;

use crate::source::postgres::position::{Identity, Place, Positions, lsn_text, parse_lsn, read};

fn identity() -> Identity {
    Identity { system: "7301".into(), timeline: 2 }
}

#[test]
fn a_position_comes_back_and_its_text_stays_readable_to_later_versions() {
    let whole = Place::at(0x1_0000_00AB);
    let text = whole.to_position(&identity()).to_string();
    assert_eq!(text, r#"{"version":1,"system":"7301","timeline":2,"lsn":"1/AB"}"#);
    let part = Place { commit: 0x1_0000_00CD, ordinal: 12, ..whole };
    for place in [whole, part] {
        let found = read(&place.to_position(&identity())).expect("a position");
        assert_eq!(found, (identity(), place));
    }
}

proptest! {
    /// Whatever place comes after whatever other.
    #[test]
    fn positions_written_in_a_row_are_those_written_alone(
        places in prop::collection::vec((0..3_u64, 0..3_u64, any::<u16>()), 1..20),
    ) {
        let mut positions = Positions::new(identity());
        for (lsn, commit, ordinal) in places {
            let ordinal = if commit == 0 { 0 } else { u64::from(ordinal) };
            let place = Place { lsn, commit, ordinal };
            prop_assert_eq!(positions.at(place), place.to_position(&identity()));
        }
    }
}

#[test]
fn what_is_no_position_is_a_gap() {
    for text in ["", "{}", r#"{"version":2,"system":"7301","timeline":2,"lsn":"1/AB"}"#] {
        let error = read(&Position::new(text.to_owned())).expect_err(text);
        assert_eq!(error.remedy(), crate::source::Remedy::Gap, "{text}");
    }
}

#[test]
fn places_in_the_wal_are_written_as_postgresql_does() {
    assert_eq!(lsn_text(0x16_B374_D848), "16/B374D848");
    assert_eq!(parse_lsn("16/B374D848"), Some(0x16_B374_D848));
    assert_eq!(parse_lsn("16"), None);
}

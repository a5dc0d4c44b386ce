//! The guard against mass removal: lost rights or a deleted CRD look like many deletions.

use crds::fleet::digest::Digests;

/// So many objects at most leave without a question.
const UNQUESTIONED: usize = 10;

/// Objects that would leave the pods.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Removal {
    pub dropped: usize,
    /// So many there are now.
    pub of: usize,
}

impl Removal {
    /// Whether a change drops more than half of the objects, and more than ten.
    pub(super) fn between(before: &Digests, after: &Digests) -> Option<Self> {
        let dropped = before.keys().filter(|object| !after.contains_key(object)).count();
        let of = before.len();
        (dropped > UNQUESTIONED && 2 * dropped > of).then_some(Self { dropped, of })
    }
}

#[cfg(test)]
mod tests {
    use crds::object::{Kind, ObjectId, ObjectName};

    use super::*;

    fn objects(count: usize) -> Digests {
        let id = |index: usize| ObjectId {
            kind: Kind::Route,
            name: ObjectName::new("default", format!("route-{index}")),
        };
        (0..count).map(|index| (id(index), String::new())).collect()
    }

    #[test]
    fn more_than_half_and_more_than_ten_are_questioned() {
        let questioned = |before, after| Removal::between(&objects(before), &objects(after)).is_some();
        assert!(questioned(1_000, 499) && !questioned(1_000, 500), "half of them may go");
        assert!(questioned(11, 0) && !questioned(10, 0), "ten may go");
        assert!(
            !questioned(0, 1_000) && !questioned(30, 1_000),
            "what comes is not asked about"
        );
        assert_eq!(
            Removal::between(&objects(20), &objects(0)),
            Some(Removal { dropped: 20, of: 20 })
        );
    }

    #[test]
    fn what_is_replaced_by_others_is_gone_all_the_same() {
        let mut others = Digests::new();
        for index in 0..100 {
            let name = ObjectName::new("other", format!("route-{index}"));
            others.insert(
                ObjectId {
                    kind: Kind::Route,
                    name,
                },
                String::new(),
            );
        }
        assert!(Removal::between(&objects(100), &others).is_some());
    }
}

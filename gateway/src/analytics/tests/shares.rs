//! Requests that are spread over several stores give the answers of one store that holds them all, to the last digit.

use rand::rngs::StdRng;
use rand::{RngExt, SeedableRng};
use serde::Serialize;
use serde_json::Value;
use tempfile::{TempDir, tempdir};

use super::{everything, open};
use crate::analytics::generations::{Cursor, Field, Listing, Query as Pages};
use crate::analytics::prompts::Asked;
use crate::analytics::share::{Part, Share};
use crate::analytics::system::{Dimension, Granularity, Pods, Query, Scope};
use crate::analytics::{Analytics, Error};
use crate::capture::record::Record;
use crate::capture::sample::{BEGIN_UNIX_MICROS, HOUR_MICROS, Traffic, settings, store};
use crate::capture::{Forget, Queue};

const STORES: usize = 4;

/// Some records in one store, and the same records spread over several.
struct Spread {
    records: Vec<Record>,
    whole: (TempDir, Analytics),
    parts: Vec<(TempDir, Analytics)>,
}

impl Spread {
    fn new(seed: u64, count: usize) -> Self {
        let records = Traffic::new(seed).records(count);
        let mut random = StdRng::seed_from_u64(seed);
        let mut spread = vec![Vec::new(); STORES];
        for record in &records {
            // The last one has nothing at all.
            spread[random.random_range(0..STORES - 1)].push(record.clone());
        }
        Self {
            whole: opened(&records),
            parts: spread.iter().map(|records| opened(records)).collect(),
            records,
        }
    }

    /// The sum of what the parts say, each as it comes over the wire.
    fn sum<P: Part>(&self, ask: impl Fn(&Analytics) -> Result<P, Error>) -> P {
        let said = |(_, analytics): &(TempDir, Analytics)| -> P {
            let text = serde_json::to_string(&ask(analytics).unwrap()).unwrap();
            serde_json::from_str(&text).unwrap()
        };
        let mut parts = self.parts.iter().rev().map(said);
        let mut sum = parts.next().unwrap();
        parts.for_each(|part| sum.add(part).unwrap());
        sum
    }
}

fn opened(records: &[Record]) -> (TempDir, Analytics) {
    let directory = tempdir().unwrap();
    store(directory.path(), records);
    let analytics = open(directory.path());
    (directory, analytics)
}

fn json(value: impl Serialize) -> Value {
    serde_json::to_value(value).unwrap()
}

fn assert_same_figures(spread: &Spread) {
    let mut questions = vec![
        (Dimension::ALL.to_vec(), Granularity::Day, None),
        (vec![Dimension::Route], Granularity::Hour, Some("team")),
        (Vec::new(), Granularity::None, None),
    ];
    questions.extend(Dimension::ALL.map(|dimension| (vec![dimension], Granularity::None, None)));
    for (group_by, granularity, namespace) in questions {
        let query = Query {
            group_by,
            granularity,
            namespace: namespace.map(Into::into),
            ..everything()
        };
        let answer = |share: Share| json(share.answer(&query, Scope::Fleet, Pods::only(0)));
        let whole = answer(spread.whole.1.share(&query).unwrap());
        assert!(whole["total_requests"].as_u64() > Some(0));
        assert_eq!(answer(spread.sum(|part| part.share(&query))), whole, "{query:?}");
    }
    for prompt in ["default/support", "team/greeting", "team/unused"] {
        let asked = Asked {
            prompt: prompt.into(),
            until_unix_micros: i64::MAX / 2,
        };
        let whole = json(spread.whole.1.prompt(&asked).unwrap().stats(&asked, "r"));
        let sum = json(spread.sum(|part| part.prompt(&asked)).stats(&asked, "r"));
        assert_eq!(sum, whole);
        assert_eq!(whole["total_requests"] == 0, prompt == "team/unused");
    }
}

#[test]
fn figures_add_up_to_those_of_one_store() {
    assert_same_figures(&Spread::new(31, 700));
}

#[tokio::test]
async fn figures_add_up_where_rows_are_left_as_hours_only() {
    let mut spread = Spread::new(32, 500);
    for (directory, analytics) in spread.parts.iter_mut().chain([&mut spread.whole]) {
        // A file is open once only.
        *analytics = open(tempdir().unwrap().path());
        let queue = Queue::open(settings(directory.path())).unwrap();
        let forget = Forget {
            user: "u1".into(),
            namespace: None,
        };
        assert!(queue.forget(forget).await.unwrap().requests.is_some());
        queue.close();
        *analytics = open(directory.path());
    }
    let of_somebody = spread
        .records
        .iter()
        .filter(|record| record.user.as_deref() == Some("u1"));
    let listed = spread.sum(|part| part.generations(&pages(500))).page().data.len();
    assert_eq!(listed, spread.records.len() - of_somebody.count());
    assert_same_figures(&spread);
}

fn pages(limit: usize) -> Pages {
    Pages {
        since_unix_micros: BEGIN_UNIX_MICROS,
        until_unix_micros: BEGIN_UNIX_MICROS + 48 * HOUR_MICROS,
        limit,
        ..Pages::default()
    }
}

/// All pages, one behind the other.
fn walk(query: &Pages, ask: impl Fn(&Pages) -> Listing) -> Vec<Value> {
    let mut query = query.clone();
    let mut walked = Vec::new();
    loop {
        let page = ask(&query).page();
        let cursor = page.next_cursor.clone();
        walked.push(json(page));
        match cursor {
            Some(cursor) => query.after = Some(cursor.parse::<Cursor>().unwrap()),
            None => return walked,
        }
    }
}

#[test]
fn pages_are_those_of_one_store() {
    let spread = Spread::new(33, 300);
    for (limit, names) in [
        (7, Vec::new()),
        (300, Vec::new()),
        (11, vec![(Field::Route, "team/chat".into())]),
    ] {
        let query = Pages { names, ..pages(limit) };
        let whole = walk(&query, |query| spread.whole.1.generations(query).unwrap());
        let sum = walk(&query, |query| spread.sum(|part| part.generations(query)));
        assert_eq!(sum, whole);
        assert!(
            whole.len() == 1
                || whole
                    .iter()
                    .rev()
                    .skip(1)
                    .all(|page| page["data"].as_array().unwrap().len() == limit)
        );
    }
}

#[test]
fn what_two_stores_hold_is_listed_once() {
    let records = Traffic::new(34).records(20);
    let (one, other) = (opened(&records), opened(&records));
    let mut listing = one.1.generations(&pages(50)).unwrap();
    listing.add(other.1.generations(&pages(50)).unwrap()).unwrap();
    let page = listing.page();
    assert_eq!((page.data.len(), page.next_cursor), (20, None));
}

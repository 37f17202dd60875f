//! The catalogue against the plainest model of itself: a list of keys that is searched from end to end.

use std::collections::BTreeMap;

use proptest::collection::vec;
use proptest::prelude::*;

use super::*;
use crate::{Origin, Tags};

fn account() -> AccountId {
    AccountId::parse("1234567890123456").unwrap()
}

fn id(n: u8) -> KeyId {
    KeyId::from_bytes([n; 16])
}

fn alias(n: u8) -> AliasName {
    AliasName::parse(&format!("alias/{n}")).unwrap()
}

fn record(created: u64, state: KeyState, spec: KeySpec, tags: &[(u8, u8)], due: Option<u64>) -> KeyRecord {
    let mut held = Tags::default();
    held.put(tags.iter().map(|(k, v)| (format!("k{k}"), format!("v{v}")))).unwrap();
    KeyRecord {
        spec,
        usage: KeyUsage::EncryptDecrypt,
        origin: Origin::Generated,
        protection: ProtectionLevel::Software,
        state,
        created: Timestamp(created),
        description: String::new(),
        primary: None,
        versions: 0,
        last_version: Timestamp(created),
        last_rotation: Timestamp(created),
        rotation: None,
        deletion: due.map(Timestamp),
        protected: None,
        imported: None,
        policy: None,
        tags: held,
    }
}

#[derive(Debug, Clone)]
enum Step {
    Put { key: u8, state: KeyState, spec: KeySpec, tags: Vec<(u8, u8)>, due: u64 },
    Remove { key: u8 },
    PutAlias { name: u8, key: u8 },
    RemoveAlias { name: u8 },
    Churn,
}

fn steps() -> impl Strategy<Value = Vec<Step>> {
    let state = prop::sample::select(KeyState::ALL.to_vec());
    let spec = prop::sample::select(KeySpec::ALL.to_vec());
    let step = prop_oneof![
        8 => (0..24u8, state, spec, vec((0..3u8, 0..3u8), 0..3), 0..50u64)
            .prop_map(|(key, state, spec, tags, due)| Step::Put { key, state, spec, tags, due }),
        2 => (0..24u8).prop_map(|key| Step::Remove { key }),
        2 => (0..9u8, 0..24u8).prop_map(|(name, key)| Step::PutAlias { name, key }),
        1 => (0..9u8).prop_map(|name| Step::RemoveAlias { name }),
        1 => Just(Step::Churn),
    ];
    vec(step, 0..60)
}

/// Keys in order of creation.
#[derive(Default)]
struct Model {
    keys: Vec<(KeyId, KeyRecord, Revision)>,
    aliases: BTreeMap<AliasName, KeyId>,
}

impl Model {
    fn find(&self, filters: &KeyFilters) -> Vec<KeyId> {
        let meets = |(id, record, _): &&(KeyId, KeyRecord, Revision)| {
            filters.0.iter().all(|filter| match filter {
                KeyFilter::State(any) => any.contains(&record.state),
                KeyFilter::Spec(any) => any.contains(&record.spec),
                KeyFilter::Usage(any) => any.contains(&record.usage),
                KeyFilter::Protection(any) => any.contains(&record.protection),
                KeyFilter::Id(any) => any.contains(id),
                KeyFilter::Alias(any) => any.iter().any(|name| self.aliases.get(name) == Some(id)),
                KeyFilter::Tag { keys, values } => record.tags.iter().any(|(k, v)| {
                    let among = |any: &Option<Vec<String>>, text: &str| {
                        any.as_ref().is_none_or(|any| any.iter().any(|one| one == text))
                    };
                    among(keys, k) && among(values, v)
                }),
                KeyFilter::Nothing => false,
            })
        };
        self.keys.iter().filter(meets).map(|(id, ..)| *id).collect()
    }
}

fn filters() -> Vec<KeyFilters> {
    let text = |texts: &[&str]| Some(texts.iter().map(|text| (*text).to_owned()).collect());
    vec![
        KeyFilters::default(),
        KeyFilters(vec![KeyFilter::State(vec![KeyState::Enabled, KeyState::PendingDeletion])]),
        KeyFilters(vec![KeyFilter::State(vec![KeyState::Disabled]), KeyFilter::Spec(vec![KeySpec::Aes128])]),
        KeyFilters(vec![KeyFilter::Tag { keys: text(&["k0", "k1"]), values: None }]),
        KeyFilters(vec![KeyFilter::Tag { keys: None, values: text(&["v2"]) }]),
        KeyFilters(vec![KeyFilter::Tag { keys: text(&["k1"]), values: text(&["v0", "v1"]) }]),
        KeyFilters(vec![KeyFilter::Id(vec![id(1), id(2), id(99)])]),
        KeyFilters(vec![KeyFilter::Alias(vec![alias(0), alias(1)]), KeyFilter::State(KeyState::ALL.to_vec())]),
        KeyFilters(vec![KeyFilter::Nothing]),
    ]
}

/// The catalogue that an image of `catalogue` holds.
fn read_again(catalogue: &Catalogue) -> Catalogue {
    let mut gathering = Gathering::default();
    for piece in catalogue.pieces() {
        Piece::decode(&piece.encode().unwrap()).unwrap().gather(&mut gathering).unwrap();
    }
    gathering.finish()
}

/// The catalogue of the model's records, as a start without an image reads them.
fn gathered(model: &Model) -> Catalogue {
    let mut gathering = Gathering::default();
    for (id, record, revision) in model.keys.iter().rev() {
        gathering.add_key(ReadKey::new(account(), *id, *revision, record.clone()));
    }
    for (name, key) in &model.aliases {
        gathering.add_alias(account(), name.clone(), *key, Revision(1));
    }
    gathering.finish()
}

fn check(catalogue: &Catalogue, model: &Model) -> Result<(), TestCaseError> {
    let empty = AccountCatalogue::default();
    let held = catalogue.account(account()).unwrap_or(&empty);
    for filters in filters() {
        let all = model.find(&filters);
        for (skip, limit) in [(0, 100), (0, 3), (2, 3), (5, 1), (100, 3)] {
            let cut = held.keys(&filters, skip, limit);
            let expected: Vec<_> = all.iter().copied().skip(skip as usize).take(limit).collect();
            prop_assert_eq!((cut.items, cut.total), (expected, all.len() as u64), "{:?}", filters);
        }
    }
    for (id, record, revision) in &model.keys {
        prop_assert_eq!(held.revision(*id), Some(*revision));
        let tags: Vec<_> = held.tags_of(*id).iter().map(|tag| (&*tag.key, &*tag.value)).collect();
        prop_assert_eq!(tags, record.tags.iter().collect::<Vec<_>>());
    }
    let mut due: Vec<_> = model.keys.iter().filter_map(|(id, record, _)| Some((record.due()?, *id))).collect();
    due.sort_unstable();
    prop_assert_eq!(catalogue.next_due(), due.first().map(|(due, _)| *due));
    let by_25: Vec<_> = due.iter().filter(|(due, _)| due.0 <= 25).map(|(_, id)| (account(), *id)).collect();
    prop_assert_eq!(catalogue.due(Timestamp(25), 1000), by_25);
    let page = held.alias_page(0, 100);
    prop_assert_eq!(page.items, model.aliases.clone().into_iter().collect::<Vec<_>>());
    for n in 0..24 {
        let names: Vec<_> =
            model.aliases.iter().filter(|(_, key)| **key == id(n)).map(|(name, _)| name.clone()).collect();
        prop_assert_eq!(held.aliases_of(id(n), 0, 100).items, names);
    }
    Ok(())
}

proptest! {
    // A case takes 9 ms: it compares 135 listings of three catalogues with those of the model.
    #![proptest_config(ProptestConfig::with_cases(1000))]

    #[test]
    fn behaves_like_the_model(steps in steps()) {
        let (mut catalogue, mut model) = (Catalogue::default(), Model::default());
        for (at, step) in steps.into_iter().enumerate() {
            let (now, revision) = (at as u64, Revision(at as u64 + 1));
            match step {
                Step::Put { key, state, spec, tags, due } => {
                    let due = (state == KeyState::PendingDeletion).then_some(due);
                    let held = model.keys.iter_mut().find(|(held, ..)| *held == id(key));
                    let created = held.as_ref().map_or(now, |(_, record, _)| record.created.0);
                    let record = record(created, state, spec, &tags, due);
                    catalogue.put_key(account(), id(key), &record, revision);
                    match held {
                        Some(held) => *held = (id(key), record, revision),
                        None => model.keys.push((id(key), record, revision)),
                    }
                }
                Step::Remove { key } => {
                    catalogue.remove_key(account(), id(key));
                    model.keys.retain(|(held, ..)| *held != id(key));
                }
                Step::PutAlias { name, key } => {
                    catalogue.put_alias(account(), alias(name), id(key), revision);
                    model.aliases.insert(alias(name), id(key));
                }
                Step::RemoveAlias { name } => {
                    catalogue.remove_alias(account(), &alias(name));
                    model.aliases.remove(&alias(name));
                }
                Step::Churn => {
                    // Enough keys that come and go for slots to be given out anew.
                    for n in 0..80u32 {
                        let mut bytes = [0xff; 16];
                        bytes[..4].copy_from_slice(&n.to_be_bytes());
                        let passing = record(now, KeyState::Enabled, KeySpec::Aes256, &[(0, 0)], None);
                        catalogue.put_key(account(), KeyId::from_bytes(bytes), &passing, revision);
                        catalogue.remove_key(account(), KeyId::from_bytes(bytes));
                    }
                }
            }
        }
        check(&catalogue, &model)?;
        check(&read_again(&catalogue), &model)?;
        check(&gathered(&model), &model)?;
    }
}

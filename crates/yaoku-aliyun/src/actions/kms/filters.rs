//! Conditions of listings, as clients give them.

use serde::Deserialize;

use crate::actions::arguments::{Parameter, Read};

/// The most filters, and values of a filter, that a listing takes.
const MAX_FILTERS: usize = 10;

/// A condition: met by what has any one of the values.
#[derive(Deserialize)]
#[serde(rename_all = "PascalCase")]
pub(super) struct Filter {
    pub(super) key: String,
    pub(super) values: Vec<String>,
}

impl Parameter<'_> {
    /// `[{"Key":…,"Values":[…]}]`: filters are met together; values, also of repeated filters, one for another.
    pub(super) fn filters(self) -> Read<Vec<Filter>> {
        let form = "a JSON array of objects with Key and Values, an array of strings";
        let Some(given) = self.json::<Vec<Filter>>(form)? else { return Ok(None) };
        if given.len() > MAX_FILTERS || given.iter().any(|filter| filter.values.len() > MAX_FILTERS) {
            let why = format!("it can have at most {MAX_FILTERS} filters with at most {MAX_FILTERS} values each");
            return Err(self.invalid(why));
        }
        let mut merged: Vec<Filter> = Vec::new();
        for filter in given {
            match merged.iter_mut().find(|other| other.key == filter.key) {
                Some(other) => other.values.extend(filter.values),
                None => merged.push(filter),
            }
        }
        Ok(Some(merged))
    }
}

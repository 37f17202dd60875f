//! Whom a statement of a key policy or a trust policy speaks of.

use crate::AccountId;

use super::document::Effect;
use super::effort::Effort;
use super::error::shown;
use super::pattern::{Case, Pattern};

/// Who asks, by name.
#[derive(Debug, Clone, Copy)]
pub struct Caller<'a> {
    /// The account that the caller belongs to.
    pub account: AccountId,
    /// `acs:ram::<account>:root`, `…:user/<name>` or, for a session as well, `…:role/<name>`.
    pub arn: &'a str,
}

/// `Principal` or `NotPrincipal` of a statement.
pub(super) struct Principals {
    entries: Box<[Principal]>,
    negated: bool,
}

enum Principal {
    /// `*`.
    Anyone,
    /// `acs:ram::<account>:root`: the account. A `Deny` for all but it spares the root alone, as it reads.
    Root(AccountId),
    /// `acs:ram::<account>:*`.
    Account(AccountId),
    /// `acs:ram::<account>:user/<name>` and the like, wildcards allowed in the name.
    Named(AccountId, Pattern),
    /// `acs:ram::<account>:assumed-role/<role>/<session>` of earlier documents, as `role/<role>`: it names some sessions of the role.
    /// A caller is known by its role's name only.
    Sessions(AccountId, Pattern),
    /// A service of the cloud or an identity provider, none of which calls here.
    Elsewhere,
}

/// How a statement speaks of a caller.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub(super) enum Meant {
    /// Not at all.
    No,
    /// Perhaps: that can't be told.
    Perhaps,
    /// As one of an account.
    ByAccount,
    /// As such.
    ByName,
}

impl Principals {
    /// Reads entries: what kind of principal, and its name.
    ///
    /// # Errors
    /// With what is wrong.
    pub(super) fn parse(entries: &[(&str, &str)], negated: bool) -> Result<Self, String> {
        let entries = entries.iter().map(|(kind, name)| Principal::parse(kind, name)).collect::<Result<_, _>>()?;
        Ok(Self { entries, negated })
    }

    /// Whether a statement with that effect speaks of a caller.
    pub(super) fn mean(&self, caller: &Caller<'_>, effect: Effect, effort: &Effort) -> Meant {
        let spares_root_alone = self.negated && effect == Effect::Deny;
        let means = |entry: &Principal| match entry {
            Principal::Root(_) if spares_root_alone && !caller.arn.ends_with(":root") => Meant::No,
            entry => entry.means(caller, effort),
        };
        let meant = self.entries.iter().map(means).max().unwrap_or(Meant::No);
        match (self.negated, meant) {
            (false, meant) => meant,
            (true, Meant::No) => Meant::ByName,
            (true, Meant::Perhaps) => Meant::Perhaps,
            (true, Meant::ByAccount | Meant::ByName) => Meant::No,
        }
    }
}

impl Principal {
    fn parse(kind: &str, name: &str) -> Result<Self, String> {
        let form = || {
            format!(
                "{} is not of the form acs:ram::<account id>:user/<name>, …:role/<name>, …:root or …:*",
                shown(name)
            )
        };
        match (kind, name) {
            ("RAM", "*") => Ok(Self::Anyone),
            ("RAM", _) => {
                let (account, whom) =
                    name.strip_prefix("acs:ram::").and_then(|rest| rest.split_once(':')).ok_or_else(form)?;
                let account = AccountId::parse(account).map_err(|_| form())?;
                match whom.split_once('/') {
                    None if whom == "root" => Ok(Self::Root(account)),
                    None if whom == "*" => Ok(Self::Account(account)),
                    Some(("assumed-role", name)) if !name.is_empty() => {
                        let role = match (name.split_once('/'), name.split_once(['*', '?'])) {
                            (Some((role, _)), _) => format!("role/{role}"),
                            // The wildcard may stand for what is between the role's name and the session's.
                            (None, Some((role, _))) => format!("role/{role}*"),
                            (None, None) => format!("role/{name}"),
                        };
                        Ok(Self::Sessions(account, Pattern::new(&role, Case::Sensitive)?))
                    }
                    Some(("user" | "role", name)) if !name.is_empty() => {
                        Ok(Self::Named(account, Pattern::new(whom, Case::Sensitive)?))
                    }
                    _ => Err(form()),
                }
            }
            ("Service" | "Federated", _) => Ok(Self::Elsewhere),
            _ => Err(format!("{} is not RAM, Service or Federated", shown(kind))),
        }
    }

    fn means(&self, caller: &Caller<'_>, effort: &Effort) -> Meant {
        let is = |account: &AccountId, pattern: &Pattern| {
            // "acs:ram::" and the account with its colon come first.
            let whom = caller.arn.get("acs:ram::".len() + 17..);
            *account == caller.account && whom.is_some_and(|whom| pattern.matches(whom, effort))
        };
        match self {
            Self::Anyone => Meant::ByName,
            Self::Root(account) | Self::Account(account) if *account == caller.account => Meant::ByAccount,
            Self::Named(account, pattern) if is(account, pattern) => Meant::ByName,
            Self::Sessions(account, role) if is(account, role) => Meant::Perhaps,
            Self::Root(_) | Self::Account(_) | Self::Named(..) | Self::Sessions(..) | Self::Elsewhere => Meant::No,
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_session_named_in_an_earlier_document_may_be_any_of_its_role() {
        const ACCOUNT: &str = "1000000000000001";
        for (whom, role, meant) in [
            ("assumed-role/ops/x", "ops", Meant::Perhaps),
            ("assumed-role/ops/*", "ops", Meant::Perhaps),
            ("assumed-role/o*", "ops", Meant::Perhaps),
            ("assumed-role/ops?x", "ops", Meant::Perhaps),
            ("assumed-role/o*/x", "ops", Meant::Perhaps),
            ("assumed-role/ops/x", "ops2", Meant::No),
            ("assumed-role/op?/x", "ops2", Meant::No),
            ("role/ops", "ops", Meant::ByName),
        ] {
            let name = format!("acs:ram::{ACCOUNT}:{whom}");
            let arn = format!("acs:ram::{ACCOUNT}:role/{role}");
            let caller = Caller { account: AccountId::parse(ACCOUNT).unwrap(), arn: &arn };
            let named = Principals::parse(&[("RAM", &name)], false).unwrap();
            assert_eq!(named.mean(&caller, Effect::Allow, &Effort::default()), meant, "{whom} {role}");
            let others = Principals::parse(&[("RAM", &name)], true).unwrap();
            let opposite = match meant {
                Meant::No => Meant::ByName,
                Meant::Perhaps => Meant::Perhaps,
                Meant::ByAccount | Meant::ByName => Meant::No,
            };
            assert_eq!(others.mean(&caller, Effect::Allow, &Effort::default()), opposite, "not {whom} {role}");
        }
    }
    #[test]
    fn a_deny_for_all_but_the_root_denies_the_users_of_the_account() {
        const ACCOUNT: &str = "1000000000000001";
        let account = AccountId::parse(ACCOUNT).unwrap();
        let [root, user] = ["root", "user/a"].map(|whom| format!("acs:ram::{ACCOUNT}:{whom}"));
        let all_but = |name: &str, effect, arn: &str| {
            let others = Principals::parse(&[("RAM", &format!("acs:ram::{ACCOUNT}:{name}"))], true).unwrap();
            others.mean(&Caller { account, arn }, effect, &Effort::default())
        };
        assert_eq!(all_but("root", Effect::Deny, &user), Meant::ByName);
        assert_eq!(all_but("root", Effect::Deny, &root), Meant::No);
        assert_eq!(
            all_but("root", Effect::Allow, &user),
            Meant::No,
            "the whole account is left out of what is allowed"
        );
        assert_eq!(all_but("*", Effect::Deny, &user), Meant::No);
        assert_eq!(all_but("user/b", Effect::Deny, &user), Meant::ByName);
    }
}

//! Policy documents: any text is read or refused without panic, and what is read decides in bounded time.
#![no_main]

use libfuzzer_sys::fuzz_target;
use yaoku_iam::AccountId;
use yaoku_iam::policy::{Caller, ConditionKey, Context, Effort, Policy, PolicyKind, Request, Value};

/// Every key has the same values.
struct Everything<'a>(&'a str);

impl Context for Everything<'_> {
    fn visit(&self, _: &ConditionKey, see: &mut dyn FnMut(Value<'_>)) {
        see(Value::Text(self.0));
        see(Value::Address([10, 0, 0, 1].into()));
        see(Value::Time(u64::MAX));
        see(Value::Flag(true));
    }
}

fuzz_target!(|text: &str| {
    let Ok(account) = AccountId::parse("1000000000000001") else { return };
    for kind in [PolicyKind::Identity, PolicyKind::Session, PolicyKind::Key, PolicyKind::Trust] {
        let Ok(policy) = Policy::parse(text, kind) else { continue };
        for arn in ["acs:ram::1000000000000001:user/u", "", text] {
            let caller = Caller { account, arn };
            let said = || {
                let (action, context, effort) = ("kms:Encrypt", &Everything(text), Effort::default());
                policy.say(&Request { action, resource: text, caller, context, effort })
            };
            assert_eq!(said(), said());
        }
    }
});

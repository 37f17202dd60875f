//! Tokens of users, as administrators manage them.

use crate::resource::{self, Target, YAOKU};
use crate::token::TokenRecord;
use crate::{
    BoundNetworks, Call, Entity, Error, Field, Iam, Name, NewToken, Operation, OperationSpec, StateRule, TOKEN,
    Timestamp, TokenAbout, TokenId, quota,
};

/// The longest time for which a token can be made, in seconds: ten years.
const MAX_TTL: u64 = 10 * 365 * 86_400;

/// Makes a token of a user; the one time that it is shown.
pub struct CreateToken {
    /// For whom.
    pub user: Name,
    /// For how long, in seconds; without end unless it is said.
    pub ttl: Option<u64>,
    /// From where it may be used.
    pub networks: BoundNetworks,
}

/// A token just made.
pub struct CreatedToken {
    /// The token.
    pub token: NewToken,
    /// When it was made.
    pub created: Timestamp,
    /// When it ends, if it does.
    pub expires: Option<Timestamp>,
    /// Tokens of the user that had expired and were deleted with this. None are until the clock has been steady for a while.
    pub deleted: Vec<TokenId>,
}

/// Lists a user's tokens.
pub struct ListTokens {
    /// Whose.
    pub user: Name,
}

/// Ends a token for good.
pub struct RevokeToken {
    /// Whose it is.
    pub user: Name,
    /// Which.
    pub id: TokenId,
}

impl Operation for CreateToken {
    type Domain = Iam;
    type Output = CreatedToken;
    const SPEC: OperationSpec = OperationSpec::write(YAOKU, "CreateToken", &[resource::TOKEN], StateRule::ANY);

    async fn perform(self, iam: &Iam, call: &Call<'_>) -> Result<CreatedToken, Error> {
        let tenant = iam.allow(call, &Self::SPEC, &[Target::own(TOKEN, &self.user)])?;
        if self.ttl.is_some_and(|ttl| !(1..=MAX_TTL).contains(&ttl)) {
            let why = "it must be from 1 second to 3650 days";
            return Err(Error::Invalid { field: Field::TtlSeconds, why });
        }
        iam.change(&tenant, |directory, draft| {
            let (user, _) = directory.users.find(&self.user).ok_or(Error::NotFound(Entity::User))?;
            let created = draft.now;
            let of_user = directory.tokens.values().filter(|token| token.user == user);
            let (valid, expired): (Vec<_>, Vec<_>) = of_user.partition(|token| token.is_valid_at(created));
            let mut deleted = Vec::new();
            // By a clock that jumped they may only seem to have expired.
            if draft.is_steady {
                deleted.extend(expired.iter().map(|token| token.id.clone()));
                deleted.iter().for_each(|id| draft.delete_token(id));
            }
            let left = valid.len() + expired.len() - deleted.len();
            if valid.len() >= quota::TOKENS || left >= 2 * quota::TOKENS {
                return Err(Error::LimitExceeded { what: Entity::Token, most: quota::TOKENS });
            }
            let expires = self.ttl.map(|ttl| created.plus_seconds(ttl));
            let (token, record) = TokenRecord::draw(draft.random, tenant.id, user, created, expires, &self.networks)?;
            draft.put_token(&token.id, &record)?;
            Ok(CreatedToken { token, created, expires, deleted })
        })
        .await
    }
}

impl Operation for ListTokens {
    type Domain = Iam;
    type Output = Vec<TokenAbout>;
    const SPEC: OperationSpec = OperationSpec::read(YAOKU, "ListTokens", &[resource::TOKEN], StateRule::ANY);

    async fn perform(self, iam: &Iam, call: &Call<'_>) -> Result<Vec<TokenAbout>, Error> {
        let tenant = iam.allow(call, &Self::SPEC, &[Target::own(TOKEN, &self.user)])?;
        let directory = tenant.directory.read();
        let (user, _) = directory.users.find(&self.user).ok_or(Error::NotFound(Entity::User))?;
        Ok(directory.tokens.values().filter(|token| token.user == user).map(TokenAbout::of).collect())
    }
}

impl Operation for RevokeToken {
    type Domain = Iam;
    type Output = ();
    const SPEC: OperationSpec =
        OperationSpec::write(YAOKU, "RevokeToken", &[resource::TOKEN], StateRule::ANY).revoking();

    async fn perform(self, iam: &Iam, call: &Call<'_>) -> Result<(), Error> {
        let tenant = iam.allow(call, &Self::SPEC, &[Target::own(TOKEN, &self.user)])?;
        iam.change(&tenant, |directory, draft| {
            let (user, _) = directory.users.find(&self.user).ok_or(Error::NotFound(Entity::User))?;
            let token = directory.tokens.get(&self.id).filter(|token| token.user == user);
            token.ok_or(Error::NotFound(Entity::Token))?;
            draft.delete_token(&self.id);
            Ok(())
        })
        .await
    }
}

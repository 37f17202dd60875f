//! GetLoginProfile, DeleteLoginProfile, GetUserMFAInfo, UnbindMFADevice: there are none, and clients that clean up behind a
//! user go on when they are told so.

use yaoku_iam::operations::logins::{DeleteLoginProfile, GetLoginProfile, GetUserMfaInfo, UnbindMfaDevice};

use super::users::OneUser;
use super::{Action, Exchange, Reply, action};
use crate::wire::WireError;

pub(super) const ACTIONS: &[Action] = &[
    action!("GetLoginProfile", GetLoginProfile, get_profile(OneUser)),
    action!("DeleteLoginProfile", DeleteLoginProfile, delete_profile(OneUser)),
    action!("GetUserMFAInfo", GetUserMfaInfo, get_device(OneUser)),
    action!("UnbindMFADevice", UnbindMfaDevice, unbind_device(OneUser)),
];

async fn get_profile(exchange: &Exchange<'_>, given: OneUser) -> Result<Reply, WireError> {
    match exchange.perform(GetLoginProfile { user: given.user }).await? {}
}

async fn delete_profile(exchange: &Exchange<'_>, given: OneUser) -> Result<Reply, WireError> {
    match exchange.perform(DeleteLoginProfile { user: given.user }).await? {}
}

async fn get_device(exchange: &Exchange<'_>, given: OneUser) -> Result<Reply, WireError> {
    match exchange.perform(GetUserMfaInfo { user: given.user }).await? {}
}

async fn unbind_device(exchange: &Exchange<'_>, given: OneUser) -> Result<Reply, WireError> {
    match exchange.perform(UnbindMfaDevice { user: given.user }).await? {}
}

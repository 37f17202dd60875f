//! GetLoginProfile, DeleteLoginProfile, GetUserMFAInfo, UnbindMFADevice: there are none, and clients that clean up behind a
//! user go on when they are told so.

use yaoku_iam::Field;
use yaoku_iam::operations::logins::{DeleteLoginProfile, GetLoginProfile, GetUserMfaInfo, UnbindMfaDevice};

use super::{Action, Exchange, Reply, action, required};
use crate::wire::WireError;

pub(super) const ACTIONS: &[Action] = &[
    action!("GetLoginProfile", GetLoginProfile, get_profile, [required("UserName")]),
    action!("DeleteLoginProfile", DeleteLoginProfile, delete_profile, [required("UserName")]),
    action!("GetUserMFAInfo", GetUserMfaInfo, get_device, [required("UserName")]),
    action!("UnbindMFADevice", UnbindMfaDevice, unbind_device, [required("UserName")]),
];

async fn get_profile(exchange: &Exchange<'_>) -> Result<Reply, WireError> {
    match exchange.manage(GetLoginProfile { user: exchange.arguments.name(Field::UserName)? }).await? {}
}

async fn delete_profile(exchange: &Exchange<'_>) -> Result<Reply, WireError> {
    match exchange.manage(DeleteLoginProfile { user: exchange.arguments.name(Field::UserName)? }).await? {}
}

async fn get_device(exchange: &Exchange<'_>) -> Result<Reply, WireError> {
    match exchange.manage(GetUserMfaInfo { user: exchange.arguments.name(Field::UserName)? }).await? {}
}

async fn unbind_device(exchange: &Exchange<'_>) -> Result<Reply, WireError> {
    match exchange.manage(UnbindMfaDevice { user: exchange.arguments.name(Field::UserName)? }).await? {}
}

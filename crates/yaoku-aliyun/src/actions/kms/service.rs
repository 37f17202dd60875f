//! DescribeRegions, DescribeAccountKmsStatus, OpenKmsService.

use serde::Serialize;
use yaoku_kms::operations::service::{DescribeAccountStatus, DescribeRegions, OpenService};

use super::{Action, Exchange, Reply, action};
use crate::wire::WireError;

pub(super) const ACTIONS: &[Action] = &[
    action!("DescribeRegions", DescribeRegions, regions()),
    action!("DescribeAccountKmsStatus", DescribeAccountStatus, account_status()),
    action!("OpenKmsService", OpenService, open()),
];

async fn regions(exchange: &Exchange<'_>) -> Result<Reply, WireError> {
    #[derive(Serialize)]
    #[serde(rename_all = "PascalCase")]
    struct Content<'a> {
        regions: Regions<'a>,
    }
    #[derive(Serialize)]
    #[serde(rename_all = "PascalCase")]
    struct Regions<'a> {
        region: [Region<'a>; 1],
    }
    #[derive(Serialize)]
    #[serde(rename_all = "PascalCase")]
    struct Region<'a> {
        region_id: &'a str,
    }
    exchange.perform(DescribeRegions).await?;
    exchange.reply(&Content { regions: Regions { region: [Region { region_id: exchange.arguments.region }] } })
}

async fn account_status(exchange: &Exchange<'_>) -> Result<Reply, WireError> {
    #[derive(Serialize)]
    #[serde(rename_all = "PascalCase")]
    struct Content {
        account_status: &'static str,
    }
    exchange.perform(DescribeAccountStatus).await?;
    exchange.reply(&Content { account_status: "Enabled" })
}

async fn open(exchange: &Exchange<'_>) -> Result<Reply, WireError> {
    match exchange.perform(OpenService).await? {}
}

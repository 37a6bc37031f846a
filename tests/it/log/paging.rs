//! Lists of conversations read page by page while the world goes on.

use crate::support::backstage::ended;
use crate::support::cloud::Cloud;
use crate::support::dice::Dice;
use crate::support::threads::{new_conversation, open_as};
use domain::conversation::{Conversation, Medium, NewConversation, Status, Urgency};
use domain::ids::ConversationId;
use domain::time::Timestamp;
use std::collections::BTreeSet;
use store::{Append, ConversationFilter, Tenant, now};

const START: i64 = 1_759_492_684_000;

fn started(millis: i64, urgency: Urgency) -> NewConversation {
    let at = Timestamp::from_millis(START + millis);
    NewConversation { urgency, ..new_conversation(&format!("+1415555{:04}", millis % 10_000), Medium::Chat, at) }
}

async fn end(tenant: &Tenant, id: &ConversationId) {
    tenant.append(id, Append::new(vec![ended()], now())).await.unwrap().unwrap();
}

/// Reads all pages, and lets something happen after each.
async fn read_all(
    tenant: &Tenant,
    filter: &ConversationFilter,
    limit: usize,
    mut between: impl AsyncFnMut(usize),
) -> Vec<Conversation> {
    let (mut all, mut cursor, mut pages) = (Vec::new(), None, 0);
    loop {
        let page = tenant.conversations(filter, &|_| true, cursor.as_deref(), limit).await.unwrap();
        assert!(page.conversations.len() <= limit);
        all.extend(page.conversations);
        pages += 1;
        assert!(pages < 100, "the pages do not end");
        between(pages).await;
        cursor = page.next;
        if cursor.is_none() {
            return all;
        }
    }
}

#[tokio::test]
async fn conversations_begun_and_ended_between_pages_are_neither_repeated_nor_skipped() {
    let cloud = Cloud::silent_with(&["--no-demo"]).await;
    let tenant = cloud.tenant("org-a").await;
    let mut ids = Vec::new();
    for number in 0..30 {
        // Three begin in the same millisecond.
        let new = started(number / 3 * 1000, Urgency::Medium);
        ids.push(open_as(&tenant, &format!("conv_{number}"), new).await);
    }
    for id in ids.iter().step_by(4) {
        end(&tenant, id).await;
    }
    let mut dice = Dice::new(1);
    let all = read_all(&tenant, &ConversationFilter::default(), 4, async |page| {
        // One that ended before counts as well: its second end changes nothing in the list.
        end(&tenant, &ids[dice.below(30) as usize]).await;
        open_as(&tenant, &format!("conv_newer_{page}"), started(100_000 + page as i64, Urgency::Medium)).await;
    })
    .await;

    let seen: Vec<&str> = all.iter().map(|conversation| conversation.id.as_str()).collect();
    let distinct: BTreeSet<&str> = seen.iter().copied().collect();
    assert_eq!(seen.len(), distinct.len(), "none twice: {seen:?}");
    let expected: BTreeSet<&str> = ids.iter().map(ConversationId::as_str).collect();
    assert_eq!(distinct, expected, "all that were there, and none that began above the first page");
    assert!(all.is_sorted_by(|a, b| a.started_at >= b.started_at), "newest first");
}

#[tokio::test]
async fn one_begun_further_down_is_met_on_a_later_page() {
    let cloud = Cloud::silent_with(&["--no-demo"]).await;
    let tenant = cloud.tenant("org-a").await;
    for number in 0..9 {
        open_as(&tenant, &format!("conv_{number}"), started(1000 * number, Urgency::Medium)).await;
    }
    let all = read_all(&tenant, &ConversationFilter::default(), 3, async |page| {
        if page == 1 {
            open_as(&tenant, "conv_imported", started(500, Urgency::Medium)).await;
        }
    })
    .await;
    assert_eq!(all.len(), 10);
    assert_eq!(all[8].id.as_str(), "conv_imported");
}

#[tokio::test]
async fn a_filter_that_thins_pages_out_still_finds_everything() {
    let cloud = Cloud::silent_with(&["--no-demo"]).await;
    let tenant = cloud.tenant("org-a").await;
    // Fewer live and fewer ended ones than a page, together more; those looked for are the oldest.
    for number in 0..14 {
        let urgency = if number < 4 { Urgency::Critical } else { Urgency::Low };
        let id = open_as(&tenant, &format!("conv_{number}"), started(1000 * number, urgency)).await;
        if number % 2 == 0 {
            end(&tenant, &id).await;
        }
    }
    let found = async |filter: ConversationFilter, limit: usize| {
        let all = read_all(&tenant, &filter, limit, async |_| {}).await;
        all.iter().map(|conversation| conversation.id.to_string()).collect::<Vec<_>>()
    };
    let critical = ConversationFilter { urgency: Some(Urgency::Critical), ..ConversationFilter::default() };
    for limit in 1..=15 {
        let expected = ["conv_3", "conv_2", "conv_1", "conv_0"];
        assert_eq!(found(critical.clone(), limit).await, expected, "pages of {limit}");
    }
    let live = ConversationFilter { status: Some(Status::Active), ..critical };
    for limit in [1, 2, 5, 10] {
        assert_eq!(found(live.clone(), limit).await, ["conv_3", "conv_1"], "pages of {limit}");
    }
}

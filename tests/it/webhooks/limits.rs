//! An organization that is sent too much has to wait; others do not.

use super::STRANGER;
use crate::support::cloud::{AURORA_NUMBER, BICI_NUMBER, Cloud};
use crate::support::elevenlabs::Call;
use crate::support::twilio::Sms;
use reqwest::Response;

const LIMIT: usize = 5;

/// Of `2 * LIMIT + 1` in a row at least one is too many, also where a new minute begins in between.
fn too_many(answers: &[Response]) {
    let (taken, refused): (Vec<&Response>, Vec<&Response>) = answers.iter().partition(|answer| answer.status() == 200);
    assert!((LIMIT..=2 * LIMIT).contains(&taken.len()), "{} taken", taken.len());
    for answer in refused {
        assert_eq!(answer.status(), 429);
        let seconds: u64 = answer.headers()["retry-after"].to_str().unwrap().parse().unwrap();
        assert!((1..=60).contains(&seconds), "{seconds}");
    }
}

#[tokio::test]
async fn webhooks_beyond_the_limit_of_an_organization_are_to_come_back_later() {
    let cloud = Cloud::with(&["--env", &format!("WEBHOOKS_PER_MINUTE={LIMIT}")]).await;
    let mut answers = Vec::new();
    for number in 0..=2 * LIMIT {
        answers.push(if number.is_multiple_of(2) {
            // Not to be answered: what follows would count too.
            cloud.sms(&Sms::new(STRANGER, BICI_NUMBER, "STOP")).await
        } else {
            cloud.post_call(&Call::new(&format!("conv_{number}"), STRANGER, BICI_NUMBER).of_turns(1).news()).await
        });
        // What nobody has signed does not use the limit up.
        let form = Sms::new(STRANGER, AURORA_NUMBER, "forged").form(&cloud);
        let unsigned = cloud.anonymous(reqwest::Method::POST, "/api/webhooks/twilio/sms/incoming").body(form);
        assert_eq!(unsigned.send().await.unwrap().status(), 403);
    }
    too_many(&answers);
    // The other organization has a limit of its own, all of it.
    for number in 0..LIMIT {
        let call = Call::new(&format!("conv_{number}"), STRANGER, AURORA_NUMBER).of_turns(1).news();
        assert_eq!(cloud.post_call(&call).await.status(), 200);
    }
    // Whoever rings is answered all the same.
    assert_eq!(cloud.told_of(STRANGER, BICI_NUMBER).await["organization_id"], "bici-demo");
}

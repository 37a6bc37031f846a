//! Functions as processes of this machine.

use super::cloud::Cloud;
use super::eventually;
use std::process::Command;

impl Cloud {
    /// Kills a function as a machine that fails does; the local cloud starts it again.
    pub(crate) async fn kill_function(&self, name: &str) {
        let wanted = format!("SWITCHBOARD_FUNCTION={name}");
        let pid = eventually("the function's process", || async {
            self.children().into_iter().find(|pid| is(*pid, &wanted))
        })
        .await;
        assert!(Command::new("kill").args(["-9", &pid.to_string()]).status().unwrap().success());
    }

    fn children(&self) -> Vec<u32> {
        let info: serde_json::Value =
            serde_json::from_slice(&std::fs::read(self.data().join("info.json")).unwrap()).unwrap();
        let parent = info["pid"].as_u64().unwrap();
        let entries = std::fs::read_dir("/proc").unwrap();
        let pids = entries.filter_map(|entry| entry.ok()?.file_name().to_str()?.parse().ok());
        pids.filter(|pid| parent_of(*pid) == Some(parent)).collect()
    }
}

fn parent_of(pid: u32) -> Option<u64> {
    let stat = std::fs::read_to_string(format!("/proc/{pid}/stat")).ok()?;
    stat.rsplit_once(')')?.1.split_whitespace().nth(1)?.parse().ok()
}

fn is(pid: u32, variable: &str) -> bool {
    let environment = std::fs::read(format!("/proc/{pid}/environ")).unwrap_or_default();
    environment.split(|byte| *byte == 0).any(|pair| pair == variable.as_bytes())
}

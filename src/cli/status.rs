//! `-status` (floor 7): the settings of a target, from the table alone.

use super::exit::Exit;
use super::out::Out;
use crate::table::Target;
use serde_json::{Map, Value};

pub(super) fn run(target: &Target, out: Out) -> Exit {
    let status = target.status();
    if !out.json {
        out.bytes(&status);
        return Exit::Done;
    }
    // The same lines as an object; keywords that may repeat are lists.
    let mut object = Map::new();
    for line in String::from_utf8_lossy(&status).lines() {
        let Some((keyword, value)) = line.split_once(':') else { continue };
        let value = Value::from(value.trim());
        if matches!(keyword, "dir" | "exclude") {
            let list = object.entry(keyword).or_insert_with(|| Value::Array(Vec::new()));
            list.as_array_mut().into_iter().for_each(|list| list.push(value.clone()));
        } else {
            object.insert(keyword.to_owned(), value);
        }
    }
    out.line(&Value::Object(object).to_string());
    Exit::Done
}

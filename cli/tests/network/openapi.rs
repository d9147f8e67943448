//! The description of the local API against the daemon: every answer that it names is provoked and compared.

use std::collections::BTreeSet;
use std::io::Write;

use serde_json::{Value, json};
use truecopy::api::ROUTES;

use crate::api::{Daemon, Reply, exchange, reply};
use crate::common::{World, sample};

fn described() -> Value {
    serde_json::from_str(include_str!("../../openapi.json")).unwrap()
}

/// Brings about the answer with this status.
fn provoke(daemon: &Daemon, method: &str, path: &str, status: &str) -> Reply {
    let admitted = daemon.admitted();
    // Of one that there is, but of none where that is asked for.
    let path = &path.replace("{transfer}", if status == "404" { "99" } else { "2" })[..];
    let host = format!("Host: {}\r\n", daemon.api);
    let order = |body: &[u8]| daemon.raw(method, path, &admitted, body);
    match (path, status) {
        (_, "401") => daemon.raw(method, path, &host, b""),
        (_, "403") => daemon.raw(method, path, &admitted.replace(&daemon.api, "evil.example"), b""),
        (_, "408") => {
            let mut stream = daemon.connect();
            write!(stream, "{method} {path} HTTP/1.1\r\n{admitted}Content-Length: 9\r\n\r\n").unwrap();
            reply(&mut stream)
        }
        ("/v1/transfers/2", "400") => daemon.get(&format!("{path}?cells=0")),
        (_, "413") => order(&vec![b' '; 65 * 1024]),
        ("/v1/orders", "400") => order(br#"{"order":"dance"}"#),
        ("/v1/orders", "422") => order(br#"{"order":"pause","transfer":99}"#),
        ("/v1/orders", _) => order(br#"{"order":"limit"}"#),
        ("/v1/events", "400") => daemon.raw(method, path, &format!("{admitted}Last-Event-ID: x\r\n"), b""),
        ("/v1/events", "503") => {
            let _open: Vec<_> = (0..16).map(|_| daemon.events(None)).collect();
            daemon.get(path)
        }
        _ => {
            let mut stream = daemon.connect();
            exchange(&mut stream, method, path, &admitted, b"")
        }
    }
}

/// Whether a value is as a schema says: as much of JSON Schema as the description uses.
fn check(whole: &Value, schema: &Value, value: &Value, place: &str) {
    if let Some(name) = schema["$ref"].as_str() {
        let name = name.strip_prefix("#/components/schemas/").unwrap();
        return check(whole, &whole["components"]["schemas"][name], value, place);
    }
    let good = match schema["type"].as_str().unwrap() {
        "object" => value.is_object(),
        "array" => value.is_array(),
        "string" => value.is_string(),
        "integer" => value.is_u64(),
        other => panic!("{place}: no rule for the type {other}"),
    };
    assert!(good, "{place}: {value} is not as {schema} says");
    if let Some(all) = schema["enum"].as_array() {
        assert!(all.contains(value), "{place}: {value}");
    }
    if schema.get("pattern").is_some() {
        let text = value.as_str().unwrap();
        assert!(text.len() == 64 && text.bytes().all(|b| b.is_ascii_hexdigit()), "{place}: {text}");
    }
    if let Some(fields) = value.as_object() {
        for required in schema["required"].as_array().unwrap() {
            assert!(fields.contains_key(required.as_str().unwrap()), "{place} lacks {required}: {value}");
        }
        for (name, value) in fields {
            let schema = schema["properties"].get(name).unwrap_or_else(|| panic!("{place}: {name} is new"));
            check(whole, schema, value, &format!("{place}.{name}"));
        }
    }
    for item in value.as_array().into_iter().flatten() {
        check(whole, &schema["items"], item, place);
    }
}

#[test]
fn every_described_answer_is_given_and_looks_as_described() {
    let world = World::new();
    sample(&world);
    // With a peer, an offer and transfers, so that lists are not empty.
    let (other, daemon) = (Daemon::start(&world, "other", &[]), Daemon::start(&world, "home", &[]));
    other.order(&json!({ "order": "sendfile", "to": daemon.address, "paths": [world.path("share")] }));
    daemon.process.event("offered", |_| true);
    let served = daemon.order(&json!({ "order": "share", "paths": [world.path("share")] }));
    daemon.stands(served, "running");
    let given =
        daemon.order(&json!({ "order": "sendfile", "to": other.key, "paths": [world.path("share")] }));
    daemon.stands(given, "offered");
    let whole = described();
    let mut provoked = 0;
    for (path, methods) in whole["paths"].as_object().unwrap() {
        for (method, operation) in methods.as_object().unwrap() {
            for (status, response) in operation["responses"].as_object().unwrap() {
                let place = format!("{method} {path} {status}");
                if (path.as_str(), status.as_str()) == ("/v1/events", "200") {
                    // It has no end: another test reads it.
                    drop(daemon.events(None));
                    continue;
                }
                let reply = provoke(&daemon, &method.to_ascii_uppercase(), path, status);
                assert_eq!(reply.status.to_string(), *status, "{place}: {}", reply.body);
                let (kind, content) = response["content"].as_object().unwrap().iter().next().unwrap();
                assert!(reply.head.contains(&format!("content-type: {kind}")), "{place}: {}", reply.head);
                if kind == "application/json" {
                    check(&whole, &content["schema"], &reply.json(), &place);
                }
                provoked += 1;
            }
        }
    }
    assert!(provoked > 20, "the description is read");
}

#[test]
fn every_route_is_described_and_another_path_or_method_is_refused() {
    let whole = described();
    let mut paths = BTreeSet::new();
    for (path, methods) in whole["paths"].as_object().unwrap() {
        for method in methods.as_object().unwrap().keys() {
            paths.insert((method.to_ascii_uppercase(), path.clone()));
        }
    }
    let routes = ROUTES.iter().map(|route| (route.method.to_owned(), route.path.to_owned()));
    assert_eq!(paths, routes.collect());
    let world = World::new();
    let daemon = Daemon::start(&world, "home", &[]);
    for path in [
        "/",
        "/v1",
        "/v1/status/",
        "//v1/status",
        "/Healthz",
        "/v1/transfers/",
        "/v1/transfers/x",
        "/v1/transfers/1/2",
    ] {
        let reply = daemon.get(path);
        assert_eq!((reply.status, reply.error().as_str()), (404, "not-found"), "{path}");
    }
    for route in ROUTES {
        for method in ["GET", "POST", "PUT", "DELETE", "OPTIONS"] {
            if method != route.method {
                let reply = daemon.raw(method, route.path, &daemon.admitted(), b"");
                assert_eq!(
                    (reply.status, reply.error().as_str()),
                    (405, "wrong-method"),
                    "{method} {route:?}"
                );
                assert!(reply.head.contains(&format!("allow: {}", route.method)), "{}", reply.head);
            }
        }
    }
}

#[test]
fn every_described_order_is_one_and_there_are_no_others() {
    let whole = described();
    let world = World::new();
    let daemon = Daemon::start(&world, "home", &[]);
    let mut words = BTreeSet::new();
    for order in whole["components"]["schemas"]["Order"]["oneOf"].as_array().unwrap() {
        let mut example = json!({});
        for (name, schema) in order["properties"].as_object().unwrap() {
            // Of nobody and nowhere: that is understood, and cannot be done.
            example[name] = match (schema.get("const"), schema["type"].as_str()) {
                (Some(word), _) => word.clone(),
                (None, Some("integer")) => json!(99),
                (None, Some("array")) => json!(["/nowhere/at/all"]),
                (None, Some("string")) => json!("/nowhere/at/all"),
                (None, _) => json!(null),
            };
        }
        words.insert(example["order"].as_str().unwrap().to_owned());
        if example["order"] != "quit" {
            let reply = daemon.post(&example);
            assert!(matches!(reply.status, 200 | 422 | 500), "{example}: {} {}", reply.status, reply.body);
            let mut more = example.clone();
            more["unknown"] = json!(1);
            assert_eq!(daemon.post(&more).status, 400, "{more}");
            for required in order["required"].as_array().unwrap() {
                let mut less = example.clone();
                less.as_object_mut().unwrap().remove(required.as_str().unwrap());
                assert_eq!(daemon.post(&less).status, 400, "{less}");
            }
        }
    }
    // The daemon names all it knows when it is given another.
    let told = daemon.post(&json!({ "order": "dance" })).json()["what"].as_str().unwrap().to_owned();
    let (_, known) = told.split_once("expected one of").unwrap();
    let known: BTreeSet<String> = known.split('`').skip(1).step_by(2).map(str::to_owned).collect();
    assert_eq!(words, known);
}

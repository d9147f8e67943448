//! The description of the interface against the server: every answer that it names is provoked and compared.

use std::collections::BTreeSet;
use std::time::Duration;

use serde_json::{Value, json};
use truecopy_protocol::hex;
use truecopy_server::bootstrap::Reachable;
use truecopy_server::http::{Config, ROUTES};
use truecopy_server::tracker::limit::Rate;
use truecopy_transport::keys::KeyPair;

use super::support::*;

fn described() -> Value {
    serde_json::from_str(include_str!("../../openapi.json")).unwrap()
}

fn announce() -> Value {
    signed(&KeyPair::generate().unwrap(), share(1), 7001, "started", 5)
}

/// Brings about the answer with this status, on a server of its own.
fn provoke(method: &str, path: &str, status: &str) -> Reply {
    let server = Running::start(None, |config| adjust(config, status));
    let mut client = server.client();
    let post = |body: Value| (path.to_owned(), body.to_string().into_bytes());
    let (target, body) = match (path, status) {
        (_, "413") => (path.to_owned(), vec![b' '; 9000]),
        (_, "408") => {
            client.send(format!("POST {path} HTTP/1.1\r\nhost: t\r\ncontent-length: 9\r\n\r\n").as_bytes());
            return client.reply();
        }
        ("/announce", "400") | ("/api/register", "400") => post(json!({})),
        ("/announce", "401") => post(with_token(&announce(), &json!("00".repeat(40)))),
        ("/announce", "403") => {
            let mut forged = announce();
            forged["left"] = json!(6);
            post(forged)
        }
        ("/announce", "409") => {
            let body = announce();
            assert_eq!(client.post(path, &body).status, 200);
            post(body)
        }
        ("/announce", _) => post(announce()),
        ("/scrape", "400") => ("/scrape?discovery=00".to_owned(), Vec::new()),
        ("/scrape", _) => (format!("/scrape?discovery={}", hex(&share(1).0)), Vec::new()),
        ("/api/register", "403") => post(json!({ "address": "224.0.0.1:7000" })),
        ("/api/register", _) => post(json!({ "address": "127.0.0.1:1" })),
        ("/api/get_peers", "400") => {
            client.headers = "x-forwarded-for: nobody\r\n".to_owned();
            (path.to_owned(), Vec::new())
        }
        _ => (path.to_owned(), Vec::new()),
    };
    let mut reply = client.request(method, &target, &body);
    if status == "429" {
        // What is left of the burst.
        for _ in 0..10 {
            reply = client.request(method, &target, &body);
        }
    }
    server.end();
    reply
}

fn adjust(config: &mut Config, status: &str) {
    config.reachable = Reachable::Private;
    config.trusted = vec!["127.0.0.0/8".parse().unwrap()];
    match status {
        "408" => config.request_timeout = Duration::from_millis(50),
        "429" => config.rate = Rate { per_second: 1, burst: 1 },
        "503" => (config.tracker.peers_max, config.plain_max) = (0, 0),
        _ => {}
    }
}

/// Whether a value is as a schema says: as much of JSON Schema as the description uses.
fn check(whole: &Value, schema: &Value, value: &Value, place: &str) {
    for (keyword, rule) in schema.as_object().unwrap() {
        match keyword.as_str() {
            "$ref" => {
                let name = rule.as_str().unwrap().strip_prefix("#/components/schemas/").unwrap();
                check(whole, &whole["components"]["schemas"][name], value, place);
            }
            "allOf" => rule.as_array().unwrap().iter().for_each(|part| check(whole, part, value, place)),
            "type" => {
                let good = match rule.as_str().unwrap() {
                    "object" => value.is_object(),
                    "array" => value.is_array(),
                    "string" => value.is_string(),
                    "integer" => value.is_u64(),
                    other => panic!("{place}: no rule for the type {other}"),
                };
                assert!(good, "{place} is no {rule}: {value}");
            }
            "required" => {
                let fields: BTreeSet<_> =
                    rule.as_array().unwrap().iter().map(|name| name.as_str().unwrap()).collect();
                let there: BTreeSet<_> = value.as_object().unwrap().keys().map(String::as_str).collect();
                assert_eq!(fields, there, "{place}: fields of answers are all required, and all described");
            }
            "properties" => {
                for (name, schema) in rule.as_object().unwrap() {
                    check(whole, schema, &value[name], &format!("{place}.{name}"));
                }
            }
            "items" => value.as_array().unwrap().iter().for_each(|item| check(whole, rule, item, place)),
            "enum" => assert!(rule.as_array().unwrap().contains(value), "{place}: {value} is none of {rule}"),
            "const" => assert_eq!(value, rule, "{place}"),
            "pattern" => {
                // All patterns here are counts of hexadecimal digits.
                let digits: usize = rule.as_str().unwrap().split(['{', '}']).nth(1).unwrap().parse().unwrap();
                let text = value.as_str().unwrap();
                assert!(
                    text.len() == digits && text.bytes().all(|b| b.is_ascii_hexdigit()),
                    "{place}: {text}"
                );
            }
            "minimum" => assert!(value.as_u64() >= rule.as_u64(), "{place}"),
            "maxItems" => {
                assert!(value.as_array().unwrap().len() as u64 <= rule.as_u64().unwrap(), "{place}")
            }
            "description" => {}
            other => panic!("{place}: no rule for the keyword {other}"),
        }
    }
}

#[test]
fn every_described_answer_is_given_and_looks_as_described() {
    let whole = described();
    let mut provoked = 0;
    for (path, methods) in whole["paths"].as_object().unwrap() {
        for (method, operation) in methods.as_object().unwrap() {
            for (status, response) in operation["responses"].as_object().unwrap() {
                let place = format!("{method} {path} {status}");
                let reply = provoke(&method.to_ascii_uppercase(), path, status);
                assert_eq!(reply.status.to_string(), *status, "{place}: {}", reply.text());
                let (kind, content) = response["content"].as_object().unwrap().iter().next().unwrap();
                assert!(reply.header("content-type").unwrap().starts_with(kind), "{place}");
                if kind == "application/json" {
                    check(&whole, &content["schema"], &reply.json(), &place);
                }
                let retry = reply.header("retry-after").map(|seconds| seconds.parse::<u32>().unwrap() > 0);
                assert_eq!(retry, response.get("headers").map(|_| true), "{place}");
                provoked += 1;
            }
        }
    }
    assert!(provoked > 20, "the description is read");
}

#[test]
fn every_route_is_described_and_there_are_no_others() {
    let whole = described();
    let mut paths = BTreeSet::new();
    for (path, methods) in whole["paths"].as_object().unwrap() {
        for method in methods.as_object().unwrap().keys() {
            paths.insert((method.to_ascii_uppercase(), path.clone()));
        }
    }
    let routes: BTreeSet<_> =
        ROUTES.iter().map(|route| (route.method.to_owned(), route.path.to_owned())).collect();
    assert_eq!(paths, routes);
}

#[test]
fn another_path_is_not_found_and_another_method_not_allowed() {
    let server = Running::start(None, |_| {});
    let mut client = server.client();
    for path in ["/", "/announce/", "//announce", "/api", "/api/", "/healthz/x", "/Announce"] {
        let reply = client.get(path);
        assert_eq!((reply.status, reply.error().as_str()), (404, "not_found"), "{path}");
    }
    for route in ROUTES {
        for method in
            ["GET", "POST", "PUT", "DELETE", "OPTIONS"].into_iter().filter(|other| *other != route.method)
        {
            let reply = client.request(method, route.path, &[]);
            assert_eq!(
                (reply.status, reply.error().as_str()),
                (405, "wrong_method"),
                "{method} {}",
                route.path
            );
            assert_eq!(reply.header("allow"), Some(route.method));
        }
    }
    server.end();
}

use super::*;

#[test]
fn a_node_always_has_a_connection_a_source_and_a_buffer_to_send_from() {
    let least = Config { conns_max: 0, spans_max: 0, spans_reserved: 0, ..Config::default() }.sane();
    assert_eq!((least.conns_max, least.spans_reserved, least.spans_max), (1, 9, 10));
    assert_eq!(least.sources_max(), 1);
    let config = Config::default();
    assert_eq!(config.clone().sane(), config, "nothing that works is changed");
}

use super::*;

#[test]
fn a_node_always_has_a_connection_a_source_and_a_buffer_to_send_from() {
    let least = Config { conns_max: 0, spans_max: 0, spans_reserved: 0, ..Config::default() }.sane();
    assert_eq!((least.conns_max, least.spans_reserved, least.spans_max), (1, 9, 10));
    assert_eq!(least.sources_max(), 1);
    let config = Config::default();
    assert_eq!(config.clone().sane(), config, "nothing that works is changed");
}

#[test]
fn more_connections_have_more_buffers_so_that_those_who_do_not_read_starve_nobody() {
    let config = Config::default();
    let many = config.clone().with_conns(1_000);
    assert_eq!(many.conns_max, 1_000);
    assert_eq!(many.spans_max - many.conns_max, config.spans_max - config.conns_max);
    assert_eq!(config.clone().with_conns(8).spans_max, config.spans_max);
    assert!(many.memory_max(0) > config.memory_max(0));
}

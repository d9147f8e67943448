use super::*;

#[test]
fn an_address_reaches_as_far_as_its_range() {
    for (text, reach) in [
        ("0.0.0.0", Reach::Nobody),
        ("0.1.2.3", Reach::Nobody),
        ("224.0.0.1", Reach::Nobody),
        ("255.255.255.255", Reach::Nobody),
        ("::", Reach::Nobody),
        ("ff02::1", Reach::Nobody),
        ("127.0.0.1", Reach::Machine),
        ("127.255.0.1", Reach::Machine),
        ("::1", Reach::Machine),
        ("::ffff:127.0.0.1", Reach::Machine),
        ("10.0.0.1", Reach::Network),
        ("172.31.0.1", Reach::Network),
        ("192.168.0.1", Reach::Network),
        ("169.254.169.254", Reach::Network),
        ("100.64.0.1", Reach::Network),
        ("240.0.0.1", Reach::Network),
        ("fe80::1", Reach::Network),
        ("fd00::1", Reach::Network),
        ("2001::1", Reach::Network),
        ("2002:0a00:1::", Reach::Network),
        ("::ffff:10.0.0.1", Reach::Network),
        ("64:ff9b::a00:1", Reach::Network),
        ("1.1.1.1", Reach::Internet),
        ("172.32.0.1", Reach::Internet),
        ("2606:4700::1111", Reach::Internet),
        ("::ffff:1.1.1.1", Reach::Internet),
    ] {
        assert_eq!(Reach::of(text.parse().unwrap()), reach, "{text}");
    }
}

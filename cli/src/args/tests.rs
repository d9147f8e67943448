use std::time::Duration;

use super::*;

#[test]
fn the_model_is_sound() {
    Cli::command().debug_assert();
}

#[test]
fn every_flag_has_help_and_a_variable_of_its_name() {
    let model = Cli::command();
    for command in model.get_subcommands() {
        // A simulation depends on what its line says alone.
        let is_simulation = command.get_name() == "sim";
        for arg in command.get_arguments().filter(|arg| !matches!(arg.get_id().as_str(), "help" | "version"))
        {
            let place = format!("{} {}", command.get_name(), arg.get_id());
            assert!(arg.get_help().is_some(), "{place} has no help");
            let Some(long) = arg.get_long() else { continue };
            let variable = format!("TRUECOPY_{}", long.to_uppercase().replace('-', "_"));
            let wanted = (!is_simulation).then_some(variable.as_str());
            assert_eq!(arg.get_env().and_then(|env| env.to_str()), wanted, "{place}");
        }
        assert!(command.get_about().is_some(), "{} has no description", command.get_name());
    }
}

#[test]
fn addresses_to_listen_on_are_read() {
    assert_eq!(":7000".parse(), Ok(Listen::Everywhere { port: 7000 }));
    assert_eq!("[::1]:0".parse(), Ok(Listen::Address("[::1]:0".parse().unwrap())));
    assert!("localhost".parse::<Listen>().is_err());
}

#[test]
fn peers_are_read() {
    let host = |host: &str, port| Ok(PeerSpec::Host { host: host.into(), port });
    assert_eq!("example.org:7000".parse(), host("example.org", 7000));
    assert_eq!("[2001:db8::1]:7000".parse(), host("2001:db8::1", 7000));
    assert_eq!("truecopy:abc".parse(), Ok(PeerSpec::Ticket("truecopy:abc".into())));
    for wrong in ["example.org", "2001:db8::1:7000", ":7000", "a:99999", ""] {
        assert!(wrong.parse::<PeerSpec>().is_err(), "{wrong}");
    }
}

#[test]
fn lengths_of_time_are_read() {
    assert_eq!("90".parse(), Ok(Pause(Duration::from_secs(90))));
    assert_eq!("10m".parse(), Ok(Pause(Duration::from_secs(600))));
    assert_eq!("2h".parse(), Ok(Pause(Duration::from_secs(7200))));
    for wrong in ["", "m", "-1s", "0", "1w", "99999999999999999999s", "18446744073709551615d"] {
        assert!(wrong.parse::<Pause>().is_err(), "{wrong}");
    }
}

#[test]
fn the_end_of_seeding_is_read() {
    assert_eq!("ever".parse(), Ok(SeedUntil::Stopped));
    assert_eq!("1.5".parse(), Ok(SeedUntil::Ratio(1.5)));
    assert_eq!("2h".parse(), Ok(SeedUntil::Time(Duration::from_secs(7200))));
    for wrong in ["", "0", "-1", "inf", "nan", "2w"] {
        assert!(wrong.parse::<SeedUntil>().is_err(), "{wrong}");
    }
    let line = |args: &[&str]| Cli::try_parse_from([&["truecopy", "get", "x"], args].concat());
    let seed = |args: &[&str]| match line(args).unwrap().command {
        Command::Get(args) => args.swarm.seed,
        _ => panic!("another command"),
    };
    assert_eq!(seed(&["--seed", "--map"]), Some(SeedUntil::Stopped));
    assert_eq!(seed(&["--seed=3"]), Some(SeedUntil::Ratio(3.0)));
    assert_eq!(seed(&[]), None);
}

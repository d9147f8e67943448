//! What a node tells of itself when it is asked.

use truecopy_protocol::NodeId;

use super::Engine;
use super::news::{News, Offering, Shape, Who};
use super::transfers::Way;
use crate::addresses;
use crate::rooms::Kind;

impl Engine {
    pub(super) fn shape(&self, number: u32) -> Option<Shape> {
        let transfer = self.transfers.get(&number)?;
        let (down, up) = transfer.flow.rates();
        Some(Shape {
            number,
            comes: matches!(transfer.way, Way::In(_)),
            name: transfer.name.clone(),
            with: transfer.with.map(|node| self.who(node)),
            state: transfer.state.clone(),
            moved: transfer.moved,
            size: transfer.size,
            down,
            up,
            ticket: match &transfer.way {
                Way::Out(given) => given.ticket.clone().filter(|_| transfer.share.is_some()),
                Way::In(_) => None,
            },
        })
    }

    pub(super) fn list_transfers(&mut self) {
        let transfers: Vec<News> = self.shapes().into_iter().map(News::Transfer).collect();
        let offers: Vec<News> = self.offered_here().into_iter().map(News::Offered).collect();
        if transfers.is_empty() && offers.is_empty() {
            self.tell(News::Note("nothing moves, and nothing is offered".into()));
        }
        self.news.extend(transfers);
        self.news.extend(offers);
    }

    /// All transfers, as they stand.
    pub fn shapes(&self) -> Vec<Shape> {
        self.transfers.keys().filter_map(|number| self.shape(*number)).collect()
    }

    /// What is offered and not answered.
    pub fn offered_here(&self) -> Vec<Offering> {
        let offers = self.offers.iter().map(|(number, offered)| Offering {
            number: *number,
            from: self.who(offered.from),
            name: offered.offer.name.clone(),
            size: offered.offer.size,
            files: offered.offer.files,
        });
        offers.collect()
    }

    /// Who is here, and where it is seen.
    pub fn present(&self) -> Vec<(Who, String)> {
        self.present.iter().map(|(node, present)| (self.who(*node), present.seen.clone())).collect()
    }

    /// This node's key.
    pub const fn me(&self) -> NodeId {
        self.me
    }

    /// In which room it is.
    pub const fn room(&self) -> Kind {
        self.room
    }

    /// Where others can reach it.
    pub fn reachable(&self) -> Vec<String> {
        let addresses = addresses::reachable(self.net.handle.addresses());
        addresses.into_iter().map(|address| address.to_string()).collect()
    }
}

//! Blocks, spans and chunks of any size.

use proptest::prelude::*;
use truecopy_protocol::content::geometry::{BLOCK, BadChunkSize, ChunkSize, SPAN, SPAN_BLOCKS, Shape};

fn chunk_size() -> impl Strategy<Value = ChunkSize> {
    (18..=22_u8).prop_map(|log2| ChunkSize::try_from(log2).unwrap())
}

/// Sizes of which most lie at an edge: nothing, one byte, whole units and one byte beside them, beyond 32 bits.
fn size() -> impl Strategy<Value = u64> {
    let unit = (14..=22_u32, 0..2000_u64, 0..3_u64)
        .prop_map(|(log2, count, beside)| ((count << log2) + beside).saturating_sub(1));
    prop_oneof![
        1 => 0..3_u64,
        6 => unit.clone(),
        2 => (unit, 32..46_u32).prop_map(|(size, log2)| size + (1 << log2)),
        1 => any::<u64>(),
    ]
}

/// A unit of a shape: its number, bytes of a whole one, and the range of the one with this index.
type Unit = (u64, u64, fn(&Shape, u64) -> std::ops::Range<u64>);

fn units(shape: &Shape) -> [Unit; 3] {
    [
        (shape.blocks(), BLOCK, Shape::block_range),
        (shape.spans(), SPAN, Shape::span_range),
        (shape.chunks(), shape.chunk.bytes(), Shape::chunk_range),
    ]
}

proptest! {
    #[test]
    fn units_follow_each_other_from_the_start_to_the_end(
        size in size(), chunk in chunk_size(), at in any::<prop::sample::Index>(),
    ) {
        let shape = Shape { size, chunk };
        for (count, bytes, range) in units(&shape) {
            let len = |index| range(&shape, index).end - range(&shape, index).start;
            // As many as needed and not one more.
            prop_assert_eq!(u128::from(count) * u128::from(bytes) >= u128::from(size), true);
            prop_assert_eq!(count == 0, size == 0);
            prop_assert!(range(&shape, count).is_empty() && range(&shape, u64::MAX).is_empty());
            if count == 0 {
                continue;
            }
            let last = count - 1;
            prop_assert_eq!(range(&shape, last).end, size);
            prop_assert!((1..=bytes).contains(&len(last)));
            let index = at.index(usize::try_from(count.min(1 << 32)).unwrap()) as u64;
            prop_assert_eq!(range(&shape, index).start, index * bytes);
            if index < last {
                prop_assert_eq!(len(index), bytes);
                prop_assert_eq!(range(&shape, index).end, range(&shape, index + 1).start);
            }
            if count < 10_000 {
                prop_assert_eq!((0..count).map(len).sum::<u64>(), size);
            }
        }
    }

    #[test]
    fn a_tree_is_just_high_enough(size in size(), chunk in chunk_size()) {
        let shape = Shape { size, chunk };
        let height = u32::from(shape.height());
        prop_assert!(1_u128 << height >= u128::from(shape.blocks()));
        prop_assert!(height == 0 || 1_u128 << (height - 1) < u128::from(shape.blocks()));
        let span = u128::from(shape.blocks().min(u64::from(SPAN_BLOCKS)).next_power_of_two());
        prop_assert_eq!(1_u128 << shape.span_height(), span);
        let whole = chunk.bytes() / BLOCK;
        prop_assert_eq!(1 << shape.chunk_height(), shape.blocks().min(whole).next_power_of_two());
        prop_assert_eq!(1 << chunk.height(), whole);
    }

    #[test]
    fn the_spans_of_chunks_are_all_spans_in_order(size in 0..200_000_000_u64, chunk in chunk_size()) {
        let shape = Shape { size, chunk };
        let mut next = 0;
        for index in 0..shape.chunks() {
            let spans = shape.chunk_spans(index);
            prop_assert_eq!(spans.start, next);
            prop_assert_eq!(shape.span_range(spans.start).start, shape.chunk_range(index).start);
            prop_assert_eq!(shape.span_range(spans.end - 1).end, shape.chunk_range(index).end);
            prop_assert!(spans.end - spans.start <= u64::from(chunk.spans()));
            next = spans.end;
        }
        prop_assert_eq!(next, shape.spans());
    }

    #[test]
    fn a_share_has_the_smallest_chunk_size_that_its_total_allows(total in size()) {
        let chosen = ChunkSize::for_share(total);
        let fits = |log2: u8| 1_u64 << log2 >= total / 4096;
        let expected = (18..=22).find(|log2| fits(*log2)).unwrap_or(22);
        prop_assert_eq!(u8::from(chosen), expected);
        prop_assert_eq!(chosen.bytes(), u64::from(chosen.spans()) * SPAN);
    }
}

#[test]
fn no_other_chunk_size_can_be_made() {
    for log2 in 0..=u8::MAX {
        let made = ChunkSize::try_from(log2);
        assert_eq!(
            made.map(u8::from),
            if (18..=22).contains(&log2) { Ok(log2) } else { Err(BadChunkSize(log2)) }
        );
    }
}

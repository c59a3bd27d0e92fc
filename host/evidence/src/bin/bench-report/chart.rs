// SPDX-License-Identifier: BSD-2-Clause
//! The picture: an empty invoke by layer, stock beside bound.

use crate::places::Layer;
use anyhow::{Result, anyhow};
use plotters::prelude::*;
use plotters::style::text_anchor::{HPos, Pos, VPos};
use std::path::Path;

const SIZE: (u32, u32) = (720, 474);
const STOCK: RGBColor = RGBColor(0x9a, 0xa5, 0xb1);
const BOUND: RGBColor = RGBColor(0x1f, 0x6f, 0xb4);
/// A bar's share of the row that two of them have.
const BAR: f64 = 0.36;

/// Draws a pair of bars for each layer.
pub(crate) fn draw(path: &Path, layers: &[(Layer, u64, u64)]) -> Result<()> {
    let total = |of: fn(&(Layer, u64, u64)) -> u64| layers.iter().map(of).sum::<u64>();
    let (stock, bound) = (total(|row| row.1), total(|row| row.2));
    let most = layers.iter().map(|row| row.1.max(row.2)).max().unwrap_or(1);
    let root = SVGBackend::new(path, SIZE).into_drawing_area();
    let failed = |error| anyhow!("{}: {error}", path.display());
    let draw = || -> Result<(), DrawingAreaErrorKind<std::io::Error>> {
        root.fill(&WHITE)?;
        let root = root.titled(
            &format!("an empty invoke: {stock} instructions on stock, {bound} bound"),
            ("sans-serif", 24),
        )?;
        let rows = layers.len() as f64;
        let mut chart = ChartBuilder::on(&root)
            .margin(12)
            .x_label_area_size(40)
            .y_label_area_size(80)
            .build_cartesian_2d(0.0..most as f64 * 1.25, rows..0.0)?;
        chart
            .configure_mesh()
            .disable_y_mesh()
            .disable_y_axis()
            .x_desc("instructions")
            .label_style(("sans-serif", 16))
            .x_label_formatter(&|number| format!("{number:.0}"))
            .draw()?;
        let label = |anchor| {
            ("sans-serif", 18)
                .into_text_style(&root)
                .pos(Pos::new(anchor, VPos::Center))
        };
        for (number, (layer, stock, bound)) in layers.iter().enumerate() {
            let middle = number as f64 + 0.5;
            let before = (most as f64 * -0.01, middle);
            chart.draw_series([Text::new(layer.title(), before, label(HPos::Right))])?;
            for (system, count, color, top) in [
                ("stock", stock, STOCK, middle - BAR),
                ("bound", bound, BOUND, middle),
            ] {
                let end = *count as f64;
                chart.draw_series([Rectangle::new(
                    [(0.0, top), (end, top + BAR)],
                    color.filled(),
                )])?;
                let text = format!("{count} {system}");
                let at = (end + most as f64 * 0.01, top + BAR / 2.0);
                chart.draw_series([Text::new(text, at, label(HPos::Left))])?;
            }
        }
        root.present()
    };
    draw().map_err(failed)
}

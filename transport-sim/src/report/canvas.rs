//! A small canvas for pictures that stand for themselves: SVG with its style inside.

use std::fmt::{Display, Write as _};

/// Colours and fonts of every picture. Classes: see the names.
const STYLE: &str = "\
svg{background:#fcfbf8;font-family:'Inter','Helvetica Neue',Helvetica,Arial,'DejaVu Sans',sans-serif}\
text{fill:#24303c;font-size:13px}\
.paper{fill:#fcfbf8}.panel{fill:#ffffff;stroke:#e3e6ea}\
.title{font-size:27px;font-weight:700}.heading{font-size:16px;font-weight:700}\
.muted{fill:#66727f}.small{font-size:11.5px;fill:#66727f}.end{text-anchor:end}.middle{text-anchor:middle}\
.strong{font-weight:700}.bad-text{fill:#b3261e}.good-text{fill:#1f7a55}.warn-text{fill:#9a6200}\
.mono{font-family:'DejaVu Sans Mono',Menlo,Consolas,monospace;font-size:12px}\
.grid{stroke:#eceef1;stroke-width:1}.axis{stroke:#aab4be;stroke-width:1}\
.good{fill:#2a8c9a}.bad{fill:#d6455d}.warn{fill:#eaa63c}.idle{fill:#cfd8e1}.level{fill:#8fa6bd}\
.again{fill:#bfe0e4}.good-ribbon{fill:#2a8c9a;fill-opacity:.28}.warn-ribbon{fill:#eaa63c;fill-opacity:.38}\
.good-line{stroke:#2a8c9a;stroke-width:2.5}.bad-line{stroke:#d6455d;stroke-width:2.5}\
.warn-line{stroke:#eaa63c;stroke-width:2.5}.idle-line{stroke:#cfd8e1;stroke-width:2.5}\
.mark{stroke:#d6455d;stroke-width:1.2;stroke-dasharray:4 4}\
.shade{fill:#d6455d;fill-opacity:.10}.shade-line{stroke:#d6455d;stroke-opacity:.5;stroke-width:1}";

/// A picture in work.
#[derive(Debug)]
pub(crate) struct Canvas {
    width: f64,
    height: f64,
    /// What this picture has beside the style of all.
    style: &'static str,
    body: String,
}

impl Canvas {
    /// An empty picture; its paper is painted.
    pub(crate) fn new(width: f64, height: f64) -> Self {
        Self::styled(width, height, "")
    }

    /// The same, with classes of its own.
    pub(crate) fn styled(width: f64, height: f64, style: &'static str) -> Self {
        let mut canvas = Self { width, height, style, body: String::new() };
        canvas.rect((0.0, 0.0), (width, height), "paper");
        canvas
    }

    fn push(&mut self, args: std::fmt::Arguments<'_>) {
        // Writing to a `String` cannot fail.
        let _ = self.body.write_fmt(args);
        self.body.push('\n');
    }

    /// A box from its upper left corner.
    pub(crate) fn rect(&mut self, (x, y): (f64, f64), (w, h): (f64, f64), class: &str) {
        if w > 0.0 && h > 0.0 {
            self.push(format_args!(
                r#"<rect x="{x:.1}" y="{y:.1}" width="{w:.1}" height="{h:.1}" class="{class}"/>"#
            ));
        }
    }

    /// A box with round corners.
    pub(crate) fn panel(&mut self, (x, y): (f64, f64), (w, h): (f64, f64)) {
        self.push(format_args!(
            r#"<rect x="{x:.1}" y="{y:.1}" width="{w:.1}" height="{h:.1}" rx="8" class="panel"/>"#
        ));
    }

    /// A line.
    pub(crate) fn line(&mut self, (x1, y1): (f64, f64), (x2, y2): (f64, f64), class: &str) {
        self.push(format_args!(
            r#"<line x1="{x1:.1}" y1="{y1:.1}" x2="{x2:.1}" y2="{y2:.1}" class="{class}"/>"#
        ));
    }

    /// A filled outline.
    pub(crate) fn polygon(&mut self, points: &[(f64, f64)], class: &str) {
        let points: Vec<String> = points.iter().map(|(x, y)| format!("{x:.1},{y:.1}")).collect();
        self.push(format_args!(r#"<polygon points="{}" class="{class}"/>"#, points.join(" ")));
    }

    /// Any outline, in the words of SVG; nothing if it is empty. Many shapes of one class are small this way.
    pub(crate) fn path(&mut self, outline: &str, class: &str) {
        if !outline.is_empty() {
            self.push(format_args!(r#"<path d="{outline}" class="{class}"/>"#));
        }
    }

    /// A dot.
    pub(crate) fn dot(&mut self, (x, y): (f64, f64), radius: f64, class: &str) {
        self.push(format_args!(r#"<circle cx="{x:.1}" cy="{y:.1}" r="{radius:.1}" class="{class}"/>"#));
    }

    /// Text; `at` is the left end of its baseline, unless the class says otherwise.
    pub(crate) fn text(&mut self, (x, y): (f64, f64), class: &str, text: impl Display) {
        let text = escape(&text.to_string());
        self.push(format_args!(r#"<text x="{x:.1}" y="{y:.1}" class="{class}">{text}</text>"#));
    }

    /// The picture as a file.
    pub(crate) fn finish(self) -> String {
        let Self { width, height, style, body } = self;
        format!(
            "<svg xmlns=\"http://www.w3.org/2000/svg\" viewBox=\"0 0 {width} {height}\" width=\"{width}\" \
             height=\"{height}\">\n<style>{STYLE}{style}</style>\n{body}</svg>\n"
        )
    }
}

/// Text as XML has it.
pub(crate) fn escape(text: &str) -> String {
    text.replace('&', "&amp;").replace('<', "&lt;").replace('>', "&gt;").replace('"', "&quot;")
}

//! A drawing, shape by shape. It has a white ground, so that its dark text can be read on any page.

use std::fmt::Write;

/// Where and how a text is placed.
#[derive(Clone, Copy)]
pub enum Anchor {
    Start,
    Middle,
    End,
}

/// The two kinds of curves: told apart by colour, shape and stroke.
#[derive(Clone, Copy, PartialEq, Eq)]
pub enum Kind {
    Reference,
    Monocoque,
}

impl Kind {
    pub const BOTH: [Kind; 2] = [Kind::Reference, Kind::Monocoque];

    pub fn name(self) -> &'static str {
        match self {
            Kind::Reference => "libzmq",
            Kind::Monocoque => "monocoque",
        }
    }

    fn colour(self) -> &'static str {
        match self {
            Kind::Reference => "#b4530a",
            Kind::Monocoque => "#0b5fa5",
        }
    }
}

/// Lengths are in pixels, from the upper left corner.
pub struct Svg {
    text: String,
}

impl Svg {
    /// An empty drawing; the title is also its description for who cannot see it.
    pub fn new(width: f64, height: f64, title: &str) -> Svg {
        let title = escaped(title);
        let text = format!(
            "<svg xmlns=\"http://www.w3.org/2000/svg\" viewBox=\"0 0 {width} {height}\" width=\"{width}\" \
             height=\"{height}\" role=\"img\" font-family=\"Helvetica, Arial, sans-serif\">\n\
             <title>{title}</title>\n\
             <rect width=\"{width}\" height=\"{height}\" fill=\"#ffffff\"/>\n"
        );
        Svg { text }
    }

    pub fn text(&mut self, x: f64, y: f64, size: u32, anchor: Anchor, text: &str) {
        let anchor = match anchor {
            Anchor::Start => "start",
            Anchor::Middle => "middle",
            Anchor::End => "end",
        };
        let text = escaped(text);
        self.put(format_args!(
            "<text x=\"{x:.1}\" y=\"{y:.1}\" font-size=\"{size}\" text-anchor=\"{anchor}\" \
             fill=\"#222222\">{text}</text>"
        ));
    }

    /// A text that runs upwards, with its middle here.
    pub fn text_upwards(&mut self, x: f64, y: f64, size: u32, text: &str) {
        let text = escaped(text);
        self.put(format_args!(
            "<text transform=\"translate({x:.1} {y:.1}) rotate(-90)\" font-size=\"{size}\" text-anchor=\"middle\" \
             fill=\"#222222\">{text}</text>"
        ));
    }

    /// A thin line of a grid.
    pub fn grid_line(&mut self, from: (f64, f64), to: (f64, f64)) {
        self.line(from, to, "#d8d8d8");
    }

    pub fn axis(&mut self, from: (f64, f64), to: (f64, f64)) {
        self.line(from, to, "#555555");
    }

    /// A curve through the points, each of which is marked.
    pub fn curve(&mut self, kind: Kind, points: &[(f64, f64)]) {
        self.stroke(kind, points);
        points.iter().for_each(|&point| self.mark(kind, point));
    }

    /// The curve without marks.
    pub fn stroke(&mut self, kind: Kind, points: &[(f64, f64)]) {
        let path: Vec<String> = points.iter().map(|(x, y)| format!("{x:.1},{y:.1}")).collect();
        let dashes = match kind {
            Kind::Reference => " stroke-dasharray=\"6 4\"",
            Kind::Monocoque => "",
        };
        self.put(format_args!(
            "<polyline points=\"{}\" fill=\"none\" stroke=\"{}\" stroke-width=\"2\"{dashes}/>",
            path.join(" "),
            kind.colour()
        ));
    }

    /// The mark of a value: a square for the reference, a disc for this library.
    pub fn mark(&mut self, kind: Kind, (x, y): (f64, f64)) {
        let colour = kind.colour();
        match kind {
            Kind::Reference => self.put(format_args!(
                "<rect x=\"{:.1}\" y=\"{:.1}\" width=\"9\" height=\"9\" fill=\"{colour}\"/>",
                x - 4.5,
                y - 4.5
            )),
            Kind::Monocoque => self.put(format_args!(
                "<circle cx=\"{x:.1}\" cy=\"{y:.1}\" r=\"5\" fill=\"{colour}\"/>"
            )),
        }
    }

    /// The whole file.
    pub fn finish(mut self) -> String {
        self.text.push_str("</svg>\n");
        self.text
    }

    fn line(&mut self, from: (f64, f64), to: (f64, f64), colour: &str) {
        self.put(format_args!(
            "<line x1=\"{:.1}\" y1=\"{:.1}\" x2=\"{:.1}\" y2=\"{:.1}\" stroke=\"{colour}\"/>",
            from.0, from.1, to.0, to.1
        ));
    }

    fn put(&mut self, shape: std::fmt::Arguments) {
        // Writing to a string cannot fail.
        let _ = writeln!(self.text, "{shape}");
    }
}

fn escaped(text: &str) -> String {
    text.replace('&', "&amp;").replace('<', "&lt;").replace('>', "&gt;")
}

"""What can be found: codes, titles, thresholds, what each means to a reader, and which finder finds it.

`docs/findings.md` tells the same at length. A new finder is a module in `cues` and a code in `CODES`.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterable
from dataclasses import dataclass

from cam_audit.records import Finding

# These finders know more than pixels and files: one takes maps apart, one asks where the foreground is, one reads
# metadata, and one asks the net what it takes foreign things for. All others are modules of `cues`.
CONTEXT, FRAMING, METADATA, FOREIGN = BEYOND_PIXELS = ("context", "framing", "metadata", "foreign")
# Finders of what other finders see as well: of padding, and of pictures of another kind.
PADDING, MIXED = "padding", "mixed"
# The codes about pairs of images.
IN_CLASSES, IN_SPLITS = "CA301", "CA302"

NOTE, WARNING, ERROR = SEVERITIES = ("note", "warning", "error")
# By the value of `--fail-on`, the severities that make a scan fail.
FAILING = {"error": (ERROR,), "warning": (ERROR, WARNING), "never": ()}

# The findings of a class of fewer images stay at `note`.
FULL_IMAGES = 24

# In correct margins: what the cue's cells must add for the net to be said to look there, and the smallest gain that is
# worth a `warning`.
MIN_USE = 0.1
MIN_GAIN = 0.15
# The net is not said to look at a region whose cells add less, on average, than this share of what all cells add.
MIN_FOCUS = 0.5
# The share of images that must turn, beyond a control's, for an `error`.
MIN_FLIPS = 0.1
# How far a class of many must stand out among all by what an edit does to it, in standard deviations.
MIN_Z = 2.0


@dataclass(frozen=True, slots=True)
class CounterfactualTest:
    """A test that plants a cue in images of other classes, or takes it from the class's own.

    `done`: what was done, in words that begin a sentence about the images; `control`: what was done to the control, in
    words; `label`: the test in a chart; `min_gain`: the smallest effect worth a word, in correct margins. `takes_away`:
    whether it takes the cue from the class's own images.
    """

    name: str
    done: str
    control: str
    label: str
    min_gain: float = MIN_GAIN
    takes_away: bool = False


PAINTED_OVER = CounterfactualTest(
    "painted_over",
    "With the mark painted over",
    "with another place painted over instead",
    "painted over",
    takes_away=True,
)


@dataclass(frozen=True, slots=True)
class Code:
    """A kind of finding (CA2xx about a class, CA3xx about pairs of images) or image flag (CA1xx).

    `threshold`: from where on it is reported. `meaning`, `limits`, `what_to_do`: sentences for reviewers;
    for a flag, the last one may be empty.

    The rest is about codes that a finder finds. `finder`: its name, which is that of its module in `cues`. `found_by`:
    the finder that finds it as well as its own cue, and whose module is imported; empty for all others. `told_by`: by
    what alone it tells the class, in words; empty where images show the cue together. `tests`: those that plant the cue
    or take it away.
    `is_local`: the cue lies in a box, where it can be painted over. `everywhere`: it is the whole picture, as a blur
    is, so no cells of a map are the cue's. `in_file`: it is in no pixel, to look at or to plant. `same_cause_as`: the
    code under which the cause may come out instead, in another scan of much the same images, as whichever fits or
    scores higher names it (`causes`).
    """

    code: str
    title: str
    threshold: str
    meaning: str
    limits: str
    what_to_do: str = ""
    finder: str = ""
    found_by: str = ""
    told_by: str = ""
    tests: tuple[CounterfactualTest, ...] = ()
    is_local: bool = False
    everywhere: bool = False
    in_file: bool = False
    same_cause_as: str = ""

    @property
    def is_flag(self) -> bool:
        """Whether it is about one image rather than a class."""
        return self.code.startswith("CA1")

    @property
    def is_about_pairs(self) -> bool:
        """Whether it is about pairs of images rather than a class, a net, or what it goes by."""
        return self.code.startswith("CA3")


CODES = {
    code.code: code
    for code in (
        Code(
            "CA101",
            "prediction follows a cue",
            "the prediction changes when the cue is painted over",
            "An image that shows a repeated cue or overlay, and whose prediction changes when the cue is painted over.",
            "The inpainting may have changed something else, too.",
        ),
        Code(
            "CA102",
            "cue present",
            "the image is a hit of a cue found in its class",
            "An image that shows the cue of a finding of its class.",
            "This says nothing about the prediction.",
        ),
        Code(
            "CA103",
            "evidence outside the annotated object",
            "inside_share <= inside_area",
            "The map lies on the annotated object no more than its area would give by chance.",
            "One image proves little; CA205 is about the class.",
        ),
        Code(
            "CA104",
            "prediction differs from the folder",
            "the top-1 class is not the folder's class",
            "The net takes the image for something else than its folder says.",
            "The folder may be wrong, or the net.",
        ),
        Code(
            "CA105",
            "no evidence anywhere",
            "the map of the predicted class is flat or nowhere positive",
            "The class won by its bias, or because the others lost: nothing in the image speaks for it.",
            "The prediction may still be right.",
        ),
        Code(
            "CA106",
            "the label is likely wrong",
            "another class is at least 50 times as probable, and the folder's median label_score is >= 0.50",
            "The net is sure that the image shows another class than its folder says, while it is sure of the folder's "
            "class in most of its other images.",
            "The label may be right: a net that is sure and mistaken looks the same, and a cue can make it so. Wrong"
            " labels that the net has learnt by heart are not found.",
        ),
        Code(
            "CA107",
            "evidence in the surroundings",
            "surroundings_share > 0.50, in a class with CA207, or with a finding that CA207 joined",
            "In this image most of what the net goes by lies in the surroundings, not on the object.",
            "The prediction may be right, and may hold elsewhere; CA207 is about the class.",
        ),
        Code(
            "CA201",
            "repeated cue",
            "hit share >= 0.10",
            "The same stamp, logo, ruler or pasted object in many images of one class, anywhere in the picture.",
            "The repeated thing may belong to the class. The same package, photographed from the same side again and"
            " again, repeats too. Look at the boxes.",
            "crop or paint over the cue in the training set, or collect images without it; then scan again.",
            finder="duplicates",
            tests=(
                CounterfactualTest(
                    "paste", "With the mark pasted in", "with another image's patch instead", "pasted in"
                ),
                PAINTED_OVER,
            ),
            is_local=True,
        ),
        Code(
            "CA202",
            "fixed overlay or watermark",
            "TPR2 >= 0.20 and rms |D| >= 0.25",
            "The same marks at the same place of the picture: a watermark, a caption, a logo in the corner.",
            "It may be no overlay: things in the same pose show the same edges at the same place. It is not "
            "known which part of it the net reads. Look at the examples.",
            "crop or paint over the overlay in the training set, or collect images without it; then scan again.",
            finder="template",
            told_by="the marks at one place",
            tests=(
                CounterfactualTest(
                    "strokes", "With these marks added", "with another image's detail there instead", "marks added"
                ),
                PAINTED_OVER,
            ),
            is_local=True,
            same_cause_as="CA201",
        ),
        Code(
            "CA203",
            "border or background predicts the class",
            "TPR2 >= 0.25",
            "A frame, or a background that other classes do not have: cats on red, dogs on green.",
            "The background need not be a mistake. Only you know whether it is typical in real use.",
            "photograph the class elsewhere, exchange backgrounds, or add other classes on this background.",
            finder="border",
            told_by="the border",
            tests=(
                # foreign surroundings take away so much of a picture that clean classes gain up to .21 for certain
                CounterfactualTest(
                    "surroundings",
                    "With this background in place of their own",
                    "with another image's background instead",
                    "background planted",
                    0.25,
                ),
                CounterfactualTest(
                    "surroundings_taken",
                    "With other classes' backgrounds in place of their own",
                    "with their own class's instead",
                    "background taken away",
                    takes_away=True,
                ),
            ),
        ),
        Code(
            "CA204",
            "colour predicts the class",
            "TPR2 >= 0.25",
            "A colour cast: another camera, another white balance, another lamp.",
            "The colour may be the object's own: oranges are orange.",
            "balance cameras and light over classes, or train with colour augmentation; then scan again.",
            finder="colour",
            told_by="the colour",
            tests=(
                # casts of clean classes gain at most .03 for certain
                CounterfactualTest(
                    "cast",
                    "With this class's colour cast",
                    "with another class's cast instead",
                    "colour cast planted",
                    0.1,
                ),
                CounterfactualTest(
                    "cast_taken",
                    "With their colour cast taken away",
                    "with another class's taken away instead",
                    "colour cast taken away",
                    takes_away=True,
                ),
            ),
            same_cause_as="CA203",
        ),
        Code(
            "CA205",
            "evidence outside the annotated object",
            "median inside_share <= median inside_area",
            "The map of the class lies on the object no more than its area would give by chance.",
            "What the net looks at outside the object is not known. Maps are coarse, so thin objects get less than "
            "their due.",
            "look at the overlays of the examples, then treat as CA203.",
        ),
        Code(
            "CA206",
            "file properties predict the class",
            "TPR2 >= 0.25",
            "Image size, aspect ratio, file format or JPEG quality tell the class: classes came from different "
            "sources, and whatever else differs between the sources may be learnt too.",
            "It is not known whether the net uses it. A property of the file is not in its pixels, so this stays a "
            "`note`.",
            "find out why the classes differ; re-encode all images alike before training.",
            finder="files",
            told_by="the file",
            in_file=True,
        ),
        Code(
            "CA207",
            "part of the evidence lies in the surroundings",
            "share beyond others >= 0.10",
            "Parts of what the net looks at lie off the object, and other classes' images have less of them: snow "
            "under wolves, a keyboard beside mice.",
            "The parts may lie elsewhere: the foreground net does not know every object, and masks may be coarse. "
            "Look at their sheets.",
            "photograph the class elsewhere, exchange backgrounds, or add other classes in these surroundings.",
            finder=CONTEXT,
            tests=(
                CounterfactualTest(
                    "context",
                    "With these surroundings in place of their own",
                    "with another image's surroundings instead",
                    "surroundings planted",
                    0.25,
                ),
                CounterfactualTest(
                    "context_taken",
                    "With other classes' surroundings in place of these parts",
                    "with these parts of another of its images instead",
                    "surroundings taken away",
                    takes_away=True,
                ),
            ),
            same_cause_as="CA203",
        ),
        Code(
            "CA208",
            "metadata predict the class",
            "TPR2 >= 0.25",
            "The metadata of the images give the class away: the site, scanner, photographer or date in a table, or "
            "the camera, program or date in their EXIF data. Whatever else differs between these may be learnt too.",
            "It is not known whether the net uses it, as the net sees only pixels. So this stays a `note`. See how "
            "right the net is for each value.",
            "collect each class from all sites, cameras and days; until then, test on images from sources that the net "
            "has not learnt from.",
            finder=METADATA,
            told_by="the metadata",
            in_file=True,
        ),
        Code(
            "CA209",
            "whatever is foreign becomes this class",
            "images that turn beyond a control's >= 0.10, and half of all that turn",
            "Images of other classes become this class when something foreign is in them: a hand, a cloth, a "
            "newspaper. The class may have been the only one that was learnt with such things in its pictures.",
            "It is not known which things the class's own pictures have, or whether they have any. Every net has "
            "to call an object that it does not know something.",
            "look for hands, cloths, labels and tools in the class's pictures; crop them away, or photograph the other "
            "classes with such things, too; then scan again.",
            finder=FOREIGN,
            tests=(
                CounterfactualTest(
                    "foreign",
                    "With a round thing of random colours pasted in",
                    "with a patch of another image of their own class instead",
                    "foreign object pasted in",
                ),
            ),
        ),
        Code(
            "CA210",
            "the same thing again",
            "share of images that show a thing again >= 0.10",
            "The same things were photographed again and again: a tile, a package, a patient. Images of one thing on "
            "both sides of a split make a test look easier than it is.",
            "It is not known whether the net uses it: what fills the picture cannot be planted elsewhere, so this "
            "stays a `note`. Things that were turned, or that changed their shape, are not recognised.",
            "split by thing, so that all images of one thing are on one side; count things rather than pictures.",
            finder="same_thing",
            found_by="duplicates",
        ),
        Code(
            "CA211",
            "picture statistics predict the class",
            "TPR2 >= 0.25, and sixteen times its chance <= 0.001",
            "Brightness, contrast, saturation, sharpness, noise, JPEG blocks, edges or flat places tell the class: "
            "another camera, lens, lamp or program, or another way to save.",
            "The statistic may be the object's own: snakes have scales, and plates are flat.",
            "find out what differs in how the pictures were made; process all alike, or train with blur, light and "
            "compression augmented; then scan again.",
            finder="statistics",
            everywhere=True,
            told_by="a statistic of the picture",
            tests=(
                CounterfactualTest(
                    "levels",
                    "With this class's brightness and contrast",
                    "with another class's instead",
                    "brightness and contrast planted",
                ),
                CounterfactualTest(
                    "levels_taken",
                    "With the other classes' brightness and contrast",
                    "with another class's difference taken away instead",
                    "brightness and contrast taken away",
                    takes_away=True,
                ),
                CounterfactualTest(
                    "saturation",
                    "With this class's saturation",
                    "with another class's instead",
                    "saturation planted",
                ),
                CounterfactualTest(
                    "saturation_taken",
                    "With the other classes' saturation",
                    "with another class's difference taken away instead",
                    "saturation taken away",
                    takes_away=True,
                ),
                CounterfactualTest(
                    "sharpness",
                    "Made as sharp or as blurred as this class",
                    "as another class instead",
                    "sharpness planted",
                ),
                CounterfactualTest(
                    "sharpness_taken",
                    "Made as sharp or as blurred as the other classes",
                    "with another class's difference taken away instead",
                    "sharpness taken away",
                    takes_away=True,
                ),
                CounterfactualTest(
                    "recompressed",
                    "Compressed until as blocky as this class",
                    "as another class instead",
                    "JPEG blocks planted",
                ),
            ),
            same_cause_as="CA203",
        ),
        Code(
            "CA212",
            "padding or streaks predict the class",
            "TPR2 >= 0.25, and twice its chance <= 0.001",
            "Pictures that were shifted, or fitted into another shape, and filled up at the edges: with the outermost "
            "pixels again and again (streaks), or with bars of one colour.",
            "The strips may not have been added: a wall or a scan's margin may end in a straight line, too.",
            "fill up or crop the pictures of all classes alike; augment no class by itself; then scan again.",
            finder=PADDING,
            told_by="the strips at the edges",
            tests=(
                CounterfactualTest(
                    "padded",
                    "With such strips at their edges",
                    "with the picture mirrored there instead",
                    "strips planted",
                ),
                CounterfactualTest(
                    "padded_taken",
                    "With their strips filled with the picture mirrored",
                    "with strips as wide filled at other edges instead",
                    "strips taken away",
                    takes_away=True,
                ),
            ),
            same_cause_as="CA203",
        ),
        Code(
            "CA213",
            "framing predicts the class",
            "TPR2 >= 0.25, and ten times its chance <= 0.001",
            "How much of the picture the object fills, or where it lies, tells the class: photographed from further "
            "away, cropped by another rule, or with a margin.",
            "The framing may be the object's own: snakes are long, and whales are seen from afar.",
            "crop the images of all classes alike, or train with scale and place augmented; then scan again.",
            finder=FRAMING,
            everywhere=True,
            told_by="where the object lies in the picture",
            tests=(
                CounterfactualTest(
                    "framed",
                    "Scaled and moved on their own background until framed like this class",
                    "framed like another class instead",
                    "framing planted",
                ),
                CounterfactualTest(
                    "framed_taken",
                    "Scaled and moved on their own background until framed like the other classes",
                    "with another class's difference taken away instead",
                    "framing taken away",
                    takes_away=True,
                ),
            ),
            same_cause_as="CA203",
        ),
        Code(
            "CA214",
            "a class contains pictures of another kind",
            "share of the class >= 0.15 and at most 0.85, crossing at most 0.50",
            "A part of the class looks like itself and like nothing else: drawings among photos, another device's or "
            "another site's pictures.",
            "It is not known whether the net goes by it, as no edit can try that. The pictures may belong there. "
            "Look at the examples, and at how many of them are predicted right.",
            "find out where they come from; give other classes pictures of this kind too, or leave them out; then scan "
            "again.",
            finder=MIXED,
            told_by="a look that all of them share",
        ),
        Code(
            "CA301",
            "the same picture in two classes",
            "one pair of images",
            "A picture lies in two classes: no net can be right on both, and one that has learnt it learnt a wrong "
            "label.",
            "It is not known which of the two labels is wrong; the picture may show both classes. Pairs that only "
            "look the same may be two pictures: two frames of a film, or two slices of a scan.",
            "look at the pairs; remove the picture from one of the two classes, or from both; then train again.",
        ),
        Code(
            "CA302",
            "the same picture in two splits",
            "one pair of images",
            "A picture of one split lies in another one too: a test on pictures that the net has learnt looks easier "
            "than it is.",
            "It is not known how much of the accuracy comes from these pictures. Pairs that only look the same may "
            "be two pictures. Pictures taken one after the other make a test easier, too.",
            "remove the pairs from one of the splits, and split by what the pictures show, not by file; then test "
            "again.",
        ),
    )
}


def codes_by_finder() -> dict[str, str]:
    """The code of each finder, by its name, in the order in which the finders are asked."""
    return {code.finder: code.code for code in CODES.values() if code.finder}


def counterfactuals() -> dict[str, CounterfactualTest]:
    """All tests, by name."""
    return {test.name: test for code in CODES.values() for test in code.tests}


def counterfactual(test: str) -> CounterfactualTest:
    """The counterfactual of this name; where only another version knows it, its name stands for the words."""
    return counterfactuals().get(test) or CounterfactualTest(test, test, "a control", test)


def kind_of(code: str) -> str:
    """The code that stands for all under which one cause may come out, in another scan of much the same images."""
    return (CODES[code].same_cause_as if code in CODES else "") or code


def severity_counts(findings: Iterable[Finding]) -> dict[str, int]:
    """How many findings there are of each severity, gravest first."""
    counts = Counter(finding.severity for finding in findings)
    return {severity: counts[severity] for severity in reversed(SEVERITIES)}

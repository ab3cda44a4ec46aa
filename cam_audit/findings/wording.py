"""A finding in words for somebody who has never seen one: what is seen, what it does, how sure that is, what to do."""

from __future__ import annotations

from cam_audit.findings.codes import BEYOND_PIXELS, CODES, CONTEXT, FOREIGN, FULL_IMAGES, MIN_FLIPS, NOTE
from cam_audit.findings.counterfactual import Effect, strongest
from cam_audit.findings.evidence import Evidence, Groups
from cam_audit.text import count


def message(evidence: Evidence, severity: str, class_name: str) -> str:
    """The finding in words, without the last full stop; `class_name`: the net's class that was measured."""
    cause, suspicion = evidence.cause, evidence.cause.suspicion
    label = repr(suspicion.label)
    if suspicion.finder == FOREIGN:
        sentences = [f"{label} {suspicion.cue}"]
    else:
        recognised = "can be told apart" if severity == NOTE else "may be recognised"
        sentences = [
            f"{label} {recognised} by {suspicion.cue}",
            _seen(len(cause.hits_looked_at), suspicion.images, evidence.groups),
        ]
    sentences.append(left_out(evidence.copies))
    in_pixels = [found for finder, found in cause.finders.items() if finder not in BEYOND_PIXELS]
    if suspicion.finder == CONTEXT and in_pixels:
        sentences.append(f"The pixels tell it, too, by {max(in_pixels, key=lambda found: found.score).cue}")
    if suspicion.images < FULL_IMAGES:
        sentences.append(f"With only {suspicion.images} images the class stays a note, whatever is measured")
    planted = strongest(evidence.effects, takes_away=False)
    taken = strongest(evidence.effects, takes_away=True)
    if planted:
        sentences += _planted(planted, class_name)
    if taken:
        sentences += _taken(taken, class_name)
    if evidence.groups:
        sentences += _cost(evidence.groups, class_name)
    if (planted or taken or evidence.groups) and class_name != suspicion.label:
        # a folder that stands for no class is measured on the one that the net predicts most in it
        sentences.append(f"The folder {label} was measured on the net's class {class_name!r}")
    advice = CODES[cause.code].what_to_do.rstrip(".")
    sentences.append(f"To do: {advice}" if advice else "")
    return ". ".join(filter(None, sentences))


def left_out(copies: int) -> str:
    """A sentence on the copies that were not counted, without its full stop; "" if no image was a copy."""
    if not copies:
        return ""
    return f"{count(copies, 'image was', 'images were')} left out as {'a copy' if copies == 1 else 'copies'} of others"


def _seen(hits: int, images: int, groups: Groups | None) -> str:
    own = f"all {images} of its images show it" if hits == images else f"{hits} of its {images} images show it"
    own = own[0].upper() + own[1:]
    if not groups or not groups.looked_at:
        return own
    others = groups.others.images
    rest = f"{others} of {groups.looked_at}" if others else f"none of {groups.looked_at}"
    return f"{own}, and {rest} images of other classes"


def _planted(effect: Effect, class_name: str) -> list[str]:
    about, gain = effect.about, effect.gain
    told = (
        f"{about.done}, {effect.turned} of {count(effect.images, 'image')} of other classes were called {class_name!r}"
    )
    sentences = [f"{told} ({about.control}: {effect.control_turned})"]
    leads = f"by {gain.low:.1f} to {gain.high:.1f} times the lead by which this net usually decides"
    if effect.turns:
        sentences.append(_sure(effect))
    elif effect.flips.high < 0:
        sentences.append(f"That is less than with the control: for this net it speaks against {class_name!r}")
    elif gain.high < 0:
        # perhaps no fewer turned: it may be none with either
        sentences.append(f"Its score falls: for this net it speaks against {class_name!r}")
    elif effect.moves:
        seldom = effect.flips.value < MIN_FLIPS
        changes = "that seldom changes the class" if seldom else "whether that changes the class is not certain"
        sentences.append(f"Its score rises, {leads}, but {changes}")
    elif gain.high < about.min_gain:
        sentences.append("Its score hardly changes: the net does not seem to go by it")
    elif gain.low > 0:
        sentences.append(f"Its score rises a little, {leads}, too little to report")
    else:
        sentences.append("Whether its score changes is not certain")
    if (effect.turns or effect.moves) and not effect.stands_out:
        sentences.append(
            "Other classes' scores rise as much, so the edit may disturb the images more than it speaks for this class"
        )
    return sentences


def _taken(effect: Effect, class_name: str) -> list[str]:
    about = effect.about
    told = f"{about.done}, {effect.turned} of {effect.images} of its own images were no longer called {class_name!r}"
    sentences = [f"{told} ({about.control}: {effect.control_turned})"]
    return [*sentences, _sure(effect)] if effect.turns else sentences


def _sure(effect: Effect) -> str:
    value, low, high = (f"{100 * share:.0f}" for share in (effect.flips.value, effect.flips.low, effect.flips.high))
    return f"That is {value} percentage points more than with the control (95% interval: {low} to {high})"


def _cost(groups: Groups, class_name: str) -> list[str]:
    shown, lacking, others = groups.shown, groups.lacking, groups.others
    told = f"Of its images with the cue, {shown.called} of {shown.images} are called {class_name!r}"
    if lacking.images:
        told += f"; of those without it, {lacking.called} of {lacking.images}"
    else:
        told += "; there is none without it to compare"
    sentences = [told] if shown.images else []
    if others.images:
        sentences.append(f"Of other classes' images with the cue, {others.called} of {others.images} are")
    return sentences

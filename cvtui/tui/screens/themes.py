"""The two themes. Every colour of the program comes from here, through Textual's variables."""

from textual.theme import Theme

DARK = Theme(
    name="cvtui-dark",
    primary="#5fb0f0",
    secondary="#e07a8b",
    accent="#f0a35c",
    success="#6cc38a",
    warning="#e5c05b",
    error="#f0697a",
    foreground="#dde3ec",
    background="#11151b",
    surface="#1c222c",
    panel="#181d26",
    dark=True,
)
LIGHT = Theme(
    name="cvtui-light",
    primary="#1668b3",
    secondary="#b03a52",
    accent="#c05a12",
    success="#237a3c",
    warning="#8f6400",
    error="#b3202c",
    foreground="#10151b",
    background="#fbfaf7",
    surface="#ece9e1",
    panel="#f2f0ea",
    dark=False,
)
FEW_COLOURS = """
CvtuiApp.-few-colours {
    & OptionList:focus > .option-list--option-highlighted,
    & Grid:focus > .grid--cursor,
    & StyledLines > .lines--pointed {
        background: $background; color: $foreground; text-style: reverse;
    }
    & Grid > .grid--cursor { text-style: underline; }
    & Picker:focus, & StartButton:focus { text-style: bold underline; }
}
"""
"""Style sheet without colours, or with 16: a shade of the ground is not seen there, reverse video is."""

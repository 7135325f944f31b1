"""The places of the session, one file each; `places.SCREENS` names them."""

"""The places of the session, one file each; `places.PLACES` names them."""

"""How each family of databases is asked: network, protocol, driver, questions."""

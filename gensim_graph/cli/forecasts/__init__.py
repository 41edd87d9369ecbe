"""Commands that forecast: ``forecast``, and ``assimilate``, a forecast that observations correct.

``forecast_options`` describes the options that both take, ``forecast_setup`` opens model, state and winds. For
observations, ``observed_input`` reads them and says which are used, ``innovation_summary`` says what they changed.
"""
